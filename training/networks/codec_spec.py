"""Sizes of a task group's codec, those of the released bundle, and the grid of scales that a latent's Gaussian may have."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.model.tasks import TASKS_OF_GROUP


@dataclass(frozen=True)
class CodecSpec:
    """Sizes of a group's codec.

    `vector_scene` and `vector_object` are 0 where the group has no such task, or has its feature with spatial dimensions.
    `channels` is 0 where no feature has any. `linear` 1 adds a linear path beside the networks of E and D.
    """

    tasks: tuple[str, ...]
    channels: int
    side_information: int
    vector_scene: int = 0
    vector_object: int = 0
    height: int = 8
    width: int = 8
    rates: int = 4
    sequences: int = 24
    codebook_size: int = 16
    trunk: int = 96
    prediction: int = 64
    linear: int = 0

    @property
    def vector(self) -> int:
        """Length of the vector latent."""
        return self.vector_scene + self.vector_object

    @property
    def dense_tasks(self) -> tuple[str, ...]:
        """Tasks whose features have spatial dimensions."""
        vectors = {"class_scene": self.vector_scene, "class_object": self.vector_object}
        return tuple(task for task in self.tasks if not vectors.get(task))


SPECS = {
    "semantic": CodecSpec(
        TASKS_OF_GROUP["semantic"],
        channels=24,
        side_information=24,
        vector_scene=16,
        vector_object=48,
        linear=1,
    ),
    "geometry": CodecSpec(TASKS_OF_GROUP["geometry"], channels=40, side_information=24, linear=1),
}


def gaussian_scales(count: int = 64, lowest: float = 0.11, highest: float = 32.0) -> NDArray[np.float64]:
    """Return the standard deviation behind each scale index: `lowest * (highest/lowest)^(i / (count - 1))`, float64 [count].

    Networks predict an index, and the export makes a CDF table for each scale. Index 0 is coded as certain.
    At 0.11 a symbol differs from its rounded mean once in 180 000 if the mean is a whole number.
    Training has to see that index 0 is final: the encoder sets z to the rounded mean there.
    """
    return lowest * (highest / lowest) ** (np.arange(count, dtype=np.float64) / (count - 1))
