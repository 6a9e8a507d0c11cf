"""Says where a bitstream's bytes are, and turns a frame's results into files.

The files are a PNG for each dense task, and one JSON with the classes and their probabilities.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from cloud_analytics.decoding.heads import TaskResult
from cloud_analytics.rendering.pictures import PICTURES, png, segmentation_ids
from cloud_analytics.rendering.render import labels_for, ranked
from shared.codec.bitstream import parse
from shared.contract.results import ClassProbability
from shared.model.bundle import Bundle

CLASSES_IN_JSON = 10


@dataclass(frozen=True)
class BitstreamSizes:
    """Bytes of the header and of each group's substream (its group byte, length and check sum included)."""

    header: int
    groups: tuple[tuple[str, int], ...]

    @property
    def total(self) -> int:
        """The length of the bitstream."""
        return self.header + sum(size for _, size in self.groups)

    def line(self) -> str:
        """Return the total and its parts, for people."""
        parts = ", ".join(f"{name} {size}" for name, size in (("header", self.header), *self.groups))
        return f"{self.total} bytes ({parts})"


def sizes_of(bundle: Bundle, data: bytes) -> BitstreamSizes:
    """Return the sizes of a bitstream that was written with the bundle (docs/format.md); they add up to its length."""
    bitstream = parse(data)
    groups = ((bundle.group_with_id(one.group_id).name, one.size_bytes) for one in bitstream.substreams)
    return BitstreamSizes(bitstream.header_bytes, tuple(groups))


def top_classes(
    bundle: Bundle, task: str, probabilities: npt.NDArray[np.float32], count: int
) -> tuple[ClassProbability, ...]:
    """Return a class task's most probable classes under the bundle's names. probabilities: [C]."""
    return ranked(labels_for(bundle.manifest.tasks[task].labels, len(probabilities)), probabilities, count)


def result_files(bundle: Bundle, results: Iterable[TaskResult], frame_bytes: int) -> dict[str, bytes]:
    """Return the files of one frame as {suffix: content}. results: the results of a batch of one frame."""
    files: dict[str, bytes] = {}
    document: dict[str, Any] = {"bundle": bundle.id, "bytes": frame_bytes}
    for result in results:
        name, values = result.task.name, result.values[0]
        if name == "segment_semantic":
            files[f"{name}.png"] = png(PICTURES[name](values))
            files[f"{name}_ids.png"] = png(segmentation_ids(values))
            labels = bundle.manifest.tasks[name].labels
            shares = np.bincount(values.ravel(), minlength=len(labels)) / values.size
            document[name] = [
                {
                    "class": index,
                    "label": labels[index] if index < len(labels) else str(index),
                    "share": round(float(shares[index]), 6),
                }
                for index in np.flatnonzero(shares).tolist()
            ]
        elif result.task.is_dense:
            files[f"{name}.png"] = png(PICTURES[name](values))
        else:
            document[name] = [
                {"label": one.label, "probability": round(one.probability, 6)}
                for one in top_classes(bundle, name, values, CLASSES_IN_JSON)
            ]
    files["json"] = (json.dumps(document, indent=1) + "\n").encode()
    return files
