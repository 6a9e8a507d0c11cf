"""Turns a frame's results into files: a PNG for each dense task, and one JSON with the classes and their probabilities."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from cloud_analytics.decoding.heads import TaskResult
from cloud_analytics.rendering.pictures import PICTURES, png, segmentation_ids
from cloud_analytics.rendering.ranking import labels_for, ranked
from shared.contract.results import ClassProbability
from shared.model.bundle import Bundle

CLASSES_IN_JSON = 10


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
