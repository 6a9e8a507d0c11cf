"""Frames to bitstreams: the backbone once, then for each wanted task group its encoder graph and its entropy codec.

    images --backbone--> feature maps --group encoder--> z, v --EntropyCodec--> Substream --build--> bitstream

Law: a group that nobody wants costs neither time nor bits, and what a group's substream holds does not depend on
which other groups are sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.bitstream import build, serialise
from shared.entropy.codec import CodedLatent
from shared.graphs import OpenBundle
from shared.latents import Latent, LatentBatch


@dataclass(frozen=True, eq=False)
class EncodedGroup:
    """One group's share of a frame.

    cross_entropy_bits: what the latent is worth under the tables. payload_bytes: what the range coder made of it.
    latent: as the decoder will see it.
    """

    name: str
    cross_entropy_bits: float
    payload_bytes: int
    latent: Latent


@dataclass(frozen=True, eq=False)
class EncodedFrame:
    """One frame's bitstream, headers and check sums included, and the shares of its groups."""

    bitstream: bytes
    groups: tuple[EncodedGroup, ...]

    @property
    def cross_entropy_bits(self) -> float:
        """The model's figure, all groups together."""
        return sum(group.cross_entropy_bits for group in self.groups)

    @property
    def payload_bytes(self) -> int:
        """The coder's figure, all groups together; `len(bitstream)` is the whole."""
        return sum(group.payload_bytes for group in self.groups)


@dataclass(frozen=True, eq=False)
class Encoder(OpenBundle):
    """The encoding half of one bundle. See `OpenBundle` for its settings."""

    def analyse(
        self, images: NDArray[np.uint8], groups: Collection[str], rate: int | Sequence[int]
    ) -> dict[str, LatentBatch]:
        """The latents of a batch, by group.

        images: uint8 [N, H, W, 3] of the bundle's input size. rate: the operating point of all frames, or of each.
        Raises UnknownName, or ValueError for images of another shape.
        """
        size = self.bundle.manifest.input
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (size.height, size.width, 3):
            raise ValueError(
                f"images must be uint8 [N, {size.height}, {size.width}, 3], not {images.dtype} {images.shape}"
            )
        wanted = [self.bundle.group(name) for name in groups]
        rates = np.broadcast_to(np.asarray(rate, np.int64), len(images))
        for one in np.unique(rates).tolist():
            self.bundle.operating_point(one)
        available = self.graphs.run(self.bundle.manifest.backbone, {"image": images})
        available["rate"] = rates
        batches: dict[str, LatentBatch] = {}
        for group in wanted:
            # The graph may declare float outputs too, for the reference graph; they are not computed here.
            made = self.graphs.run(group.encoder, available, ("z", "v"))
            batches[group.name] = LatentBatch(made["z"].astype(np.int64), made["v"].astype(np.int64), rates)
        return batches

    def code(self, latents: Mapping[str, Latent]) -> EncodedFrame:
        """One frame's bitstream from its latents, by group name, at least one; raises LatentError."""
        coded: dict[str, CodedLatent] = {name: self.codecs[name].encode(latent) for name, latent in latents.items()}
        bitstream = build(self.bundle.digest, [one.substream for one in coded.values()])
        return EncodedFrame(
            serialise(bitstream),
            tuple(
                EncodedGroup(name, one.cross_entropy_bits, len(one.substream.payload), one.latent)
                for name, one in coded.items()
            ),
        )

    def encode(self, image: NDArray[np.uint8], groups: Collection[str], rate: int) -> EncodedFrame:
        """One frame's bitstream. image: uint8 [H, W, 3]. Raises as `analyse` and `code` do."""
        batches = self.analyse(image[None], groups, rate)
        return self.code({name: batch.frame(0) for name, batch in batches.items()})
