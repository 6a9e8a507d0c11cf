"""A frame's results as files: a PNG for each dense task, and one JSON with the classes and their probabilities."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from cloud_analytics.heads import TaskResult
from shared.bundle import Bundle
from taxon.pictures import (
    curvature_picture,
    normal_picture,
    png,
    reshading_picture,
    segmentation_ids,
    segmentation_picture,
)

CLASSES_IN_JSON = 10
DRAWN = {"normal": normal_picture, "reshading": reshading_picture, "principal_curvature": curvature_picture}


def labels_of(bundle: Bundle, task: str, classes: int) -> Sequence[str]:
    """The bundle's class names of a task, or numbers where it has none."""
    labels = bundle.manifest.tasks[task].labels
    return labels if len(labels) == classes else [str(index) for index in range(classes)]


def ranked(labels: Sequence[str], probabilities: npt.NDArray[np.float32], count: int) -> tuple[tuple[str, float], ...]:
    """The most probable classes, most probable first."""
    order = np.argsort(-probabilities, kind="stable")[:count]
    return tuple((labels[index], float(probabilities[index])) for index in order.tolist())


def result_files(bundle: Bundle, results: Iterable[TaskResult], frame_bytes: int) -> dict[str, bytes]:
    """What `decode` writes for one frame: {suffix: content}. results: of a batch of one frame."""
    files: dict[str, bytes] = {}
    document: dict[str, Any] = {"bundle": bundle.id, "bytes": frame_bytes}
    for result in results:
        name, values = result.task.name, result.values[0]
        if name == "segment_semantic":
            files[f"{name}.png"] = png(segmentation_picture(values))
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
            files[f"{name}.png"] = png(DRAWN[name](values))
        else:
            top = ranked(labels_of(bundle, name, len(values)), values, CLASSES_IN_JSON)
            document[name] = [{"label": label, "probability": round(probability, 6)} for label, probability in top]
    files["json"] = (json.dumps(document, indent=1) + "\n").encode()
    return files
