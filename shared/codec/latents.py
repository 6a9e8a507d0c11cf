"""The integers that travel from edge to cloud: one frame's for one task group (`Latent`), or a batch's (`LatentBatch`).

Law: z and v are whole numbers of 16 bits. Everything that decides their code is computed from them alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

IntArray = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Latent:
    """The latent of one frame for one group (paper 3.1: z and v), at one operating point.

    z: int64 [K], channels x height x width in C order, then the vector. v: int64 [V], the side information. rate: the
    operating point, 0..15. height, width: the spatial size where it is not the bundle's own.
    """

    z: IntArray
    v: IntArray
    rate: int
    height: int | None = None
    width: int | None = None


@dataclass(frozen=True, eq=False)
class LatentBatch:
    """The latents of N frames for one group. z: int64 [N, K]. v: int64 [N, V]. rate: int64 [N]."""

    z: IntArray
    v: IntArray
    rate: IntArray

    def __len__(self) -> int:
        return len(self.z)

    def frame(self, index: int) -> Latent:
        """Return one frame's latent."""
        return Latent(self.z[index], self.v[index], int(self.rate[index]))

    @classmethod
    def of(cls, latents: Sequence[Latent]) -> LatentBatch:
        """Stack the latents of frames, at least one, all of one group and size."""
        return cls(
            np.stack([latent.z for latent in latents]),
            np.stack([latent.v for latent in latents]),
            np.array([latent.rate for latent in latents], np.int64),
        )
