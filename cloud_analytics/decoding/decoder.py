"""Decode bitstreams to task features: the entropy codec first, then the group's decoder graph on a batch of frames.

    bytes --latents--> Latent for each wanted group --LatentBatch.of--> --features--> a feature for each wanted task

Law: the latents are exactly those that the edge coded, or the bitstream is refused.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from shared.codec.bitstream import Bitstream, Substream, parse
from shared.codec.latents import Latent, LatentBatch
from shared.errors import CorruptBitstream, MissingGroup, UnknownName
from shared.model.onnx_graphs import AnyArray, OpenBundle


@dataclass(frozen=True, eq=False)
class Decoder(OpenBundle):
    """The decoding half of one bundle; its settings are those of `OpenBundle`."""

    def latents(self, data: bytes, groups: Collection[str] | None = None) -> dict[str, Latent]:
        """Decode one frame's latents, by group name: those of the wanted groups, or all that were sent.

        Raises a BitstreamError for bytes that are refused, MissingGroup for a wanted group that was not sent.
        """
        return self.latents_of(parse(data), groups)

    def latents_of(self, bitstream: Bitstream, groups: Collection[str] | None = None) -> dict[str, Latent]:
        """Return the latents of a bitstream that is parsed already; else as `latents`."""
        bitstream.require_bundle(self.bundle.digest)
        if bitstream.input_size is not None:
            raise CorruptBitstream("the frame has another input size than this bundle's graphs take")
        sent = {self._group_name(substream): substream for substream in bitstream.substreams}
        wanted = sent if groups is None else groups
        for name in wanted:
            if name not in sent:
                raise MissingGroup(name, sent)
        return {name: self.codecs[name].decode(sent[name]) for name in wanted}

    def features(self, group: str, batch: LatentBatch, tasks: Collection[str]) -> dict[str, NDArray[np.float32]]:
        """Return the features of one group's wanted tasks, by task: float32 [N, ...] as the task's head takes them."""
        entry = self.bundle.group(group)
        for task in tasks:
            if task not in entry.tasks:
                raise UnknownName("task", task, entry.tasks)
        available: dict[str, AnyArray] = {"z": batch.z.astype(np.int32), "rate": batch.rate}
        made = self.graphs.run(entry.decoder, available, [f"feature_{task}" for task in tasks])
        return {task: made[f"feature_{task}"] for task in tasks}

    def _group_name(self, substream: Substream) -> str:
        try:
            return self.bundle.group_with_id(substream.group_id).name
        except UnknownName as error:
            raise CorruptBitstream(f"{error}; damaged, or written with another bundle") from error
