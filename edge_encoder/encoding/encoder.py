"""Turns frames into bitstreams: the backbone once, then each wanted task group's encoder graph and entropy codec.

    images --backbone--> feature maps --group encoder--> z, v --EntropyCodec--> Substream --build--> bitstream

A batch's frames may want different groups at different rates (`analyse_each`): the backbone still runs once.

Law: a group that nobody wants costs neither time nor bits. What a group's substream holds does not depend on which
other groups are sent.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.codec.bitstream import build, serialise
from shared.codec.entropy_codec import CodedLatent
from shared.codec.latents import Latent, LatentBatch
from shared.model.manifest import TaskGroup
from shared.model.onnx_graphs import AnyArray, OpenBundle


@dataclass(frozen=True, eq=False)
class EncodedGroup:
    """One group's share of a frame.

    cross_entropy_bits: the cost of the latent under the tables. payload_bytes: the range coder's output for it.
    substream_bytes: the payload with header and check sum. latent: the integers as the decoder will see them.
    side_information_bits: the part of the cross-entropy that v costs.
    """

    name: str
    cross_entropy_bits: float
    payload_bytes: int
    substream_bytes: int
    latent: Latent
    side_information_bits: float

    @property
    def side_information_bytes(self) -> float:
        """The share of the payload that v takes.

        One run of the coder writes v and z and leaves no border between them. So the bytes are shared out as the
        model's information is.
        """
        if self.cross_entropy_bits <= 0:
            return 0.0
        return self.payload_bytes * self.side_information_bits / self.cross_entropy_bits


@dataclass(frozen=True, eq=False)
class EncodedFrame:
    """One frame's bitstream, headers and check sums included, and the shares of its groups."""

    bitstream: bytes
    groups: tuple[EncodedGroup, ...]

    @property
    def cross_entropy_bits(self) -> float:
        """The cost of all groups under the model's tables."""
        return sum(group.cross_entropy_bits for group in self.groups)

    @property
    def payload_bytes(self) -> int:
        """The range coder's output for all groups; `len(bitstream)` is the whole."""
        return sum(group.payload_bytes for group in self.groups)


@dataclass(frozen=True, eq=False)
class Encoder(OpenBundle):
    """The encoding half of one bundle, with the settings of `OpenBundle`."""

    def analyse(
        self, images: NDArray[np.uint8], groups: Collection[str], rate: int | Sequence[int]
    ) -> dict[str, LatentBatch]:
        """Return the latents of a batch, by group.

        images: uint8 [N, H, W, 3] of the bundle's input size. rate: the operating point of all frames, or of each.
        Raises UnknownName, or ValueError for images of another shape.
        """
        wanted = [self.bundle.group(name) for name in groups]
        rates = np.broadcast_to(np.asarray(rate, np.int64), len(images))
        features = self._features(images, rates)
        every = np.arange(len(images))
        return {group.name: self._latents(group, features, every, rates) for group in wanted}

    def analyse_each(
        self, images: NDArray[np.uint8], groups: Sequence[Collection[str]], rates: Sequence[int]
    ) -> list[dict[str, Latent]]:
        """Return each frame's latents by group, where each frame has its own groups and rate.

        They are the same as `analyse` gives for each frame alone. groups, rates: those of each frame.
        images: as for `analyse`. Raises UnknownName, or ValueError for images of another shape.
        """
        wanted = [group for group in self.bundle.manifest.groups if any(group.name in names for names in groups)]
        for name in {name for names in groups for name in names}:
            self.bundle.group(name)
        each = np.asarray(rates, np.int64)
        features = self._features(images, each)
        found: list[dict[str, Latent]] = [{} for _ in groups]
        for group in wanted:
            members = np.flatnonzero([group.name in names for names in groups])
            batch = self._latents(group, features, members, each)
            for place, frame in enumerate(members.tolist()):
                found[frame][group.name] = batch.frame(place)
        return found

    def _features(self, images: NDArray[np.uint8], rates: NDArray[np.int64]) -> dict[str, AnyArray]:
        """Return the backbone's feature maps of a batch, by their tensors' names."""
        size = self.bundle.manifest.input
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[1:] != (size.height, size.width, 3):
            raise ValueError(
                f"images must be uint8 [N, {size.height}, {size.width}, 3], not {images.dtype} {images.shape}"
            )
        for one in np.unique(rates).tolist():
            self.bundle.operating_point(one)
        return self.graphs.run(self.bundle.manifest.backbone, {"image": images})

    def _latents(
        self, group: TaskGroup, features: dict[str, AnyArray], members: NDArray[np.int64], rates: NDArray[np.int64]
    ) -> LatentBatch:
        """Return the latents of a group for some frames of a batch."""
        of_all = len(members) == len(rates)
        available = features if of_all else {name: values[members] for name, values in features.items()}
        # The graph may declare float outputs too, for the reference graph; they are not computed here.
        made = self.graphs.run(group.encoder, available | {"rate": rates[members]}, ("z", "v"))
        return LatentBatch(made["z"].astype(np.int64), made["v"].astype(np.int64), rates[members])

    def code(self, latents: Mapping[str, Latent]) -> EncodedFrame:
        """Return one frame's bitstream. latents: by group, at least one. Raises LatentError."""
        coded: dict[str, CodedLatent] = {name: self.codecs[name].encode(latent) for name, latent in latents.items()}
        bitstream = build(self.bundle.digest, [one.substream for one in coded.values()])
        return EncodedFrame(
            serialise(bitstream),
            tuple(
                EncodedGroup(
                    name,
                    one.cross_entropy_bits,
                    len(one.substream.payload),
                    one.substream.size_bytes,
                    one.latent,
                    one.side_information_bits,
                )
                for name, one in coded.items()
            ),
        )

    def encode(self, image: NDArray[np.uint8], groups: Collection[str], rate: int) -> EncodedFrame:
        """Return one frame's bitstream. image: uint8 [H, W, 3]. Raises as `analyse` and `code` do."""
        batches = self.analyse(image[None], groups, rate)
        return self.code({name: batch.frame(0) for name, batch in batches.items()})

    def warm_up(self, most_frames: int) -> None:
        """Open every graph and run it with one frame and with a full batch, so that no later frame pays for it."""
        manifest = self.bundle.manifest
        groups = [group.name for group in manifest.groups]
        for frames in sorted({1, most_frames}):
            black = np.zeros((frames, manifest.input.height, manifest.input.width, 3), np.uint8)
            latents = self.analyse_each(black, [groups] * frames, [manifest.default_rate] * frames)
        self.code(latents[0])
