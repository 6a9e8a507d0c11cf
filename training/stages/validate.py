"""Figures on the validation frames, to choose by: uncompressed or coded at each operating point, at the labels' 128x128.

The published figures come from `taxon evaluate`, with the exported bundle, at 256x256, on test frames.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from shared.model.task_metrics import (
    AbsoluteErrorMetric,
    MedianConstant,
    NormalMetric,
    SegmentationMetric,
    TopOneMetric,
)
from shared.model.tasks import CLASS_TASKS, SEGMENTATION_BACKGROUND, TASKS, TASKS_OF_GROUP, task_named
from training.data.batches import Batch, load
from training.data.views import LABEL_PX, ViewSet
from training.networks.task import DENSE_OUTPUTS, SEGMENT_CLASSES, dense_result
from training.networks.task_networks import CodedNetworks, TaskNetworks

BATCH = 16


@dataclass(frozen=True)
class Validation:
    """figures {name: value}; bits per frame {group: value}, empty where nothing was coded."""

    figures: Mapping[str, float]
    bits: Mapping[str, float]


class FrameFigures:
    """Gathers every task's figure over frames; a frame counts for the tasks that it has labels of."""

    def __init__(self) -> None:
        self._segmentation, self._normal = SegmentationMetric(SEGMENT_CLASSES, SEGMENTATION_BACKGROUND), NormalMetric()
        self._classes = {task: TopOneMetric(task_named(task).outputs) for task in CLASS_TASKS}
        ranges = {task.name: (task.outputs, task.value_range) for task in TASKS if task.value_range is not None}
        self._errors = {task: AbsoluteErrorMetric() for task in ranges}
        self._constants = {task: MedianConstant(outputs, *limits) for task, (outputs, limits) in ranges.items()}

    def add_class(self, task: str, logits: Tensor, label: int) -> None:
        """Count a class task's logits [C]; a label below 0 is unknown."""
        if label >= 0:
            self._classes[task].add(logits.float().softmax(0).cpu().numpy(), label)

    def add_segmentation(self, logits: Tensor, reference: Tensor) -> None:
        """Count logits [C, h, w] against class ids [h, w], 255 for unknown."""
        self._segmentation.add(logits.argmax(0).cpu().numpy(), reference.cpu().numpy())

    def add_geometry(self, results: Mapping[str, Tensor], reference: Tensor) -> None:
        """Count the geometry tasks' values [C, h, w] against normal, reshading and curvature [6, h, w]."""
        target = reference.cpu().numpy()
        self._normal.add(results["normal"].cpu().numpy(), F.normalize(reference[:3], dim=0).cpu().numpy())
        for task, wanted in (("reshading", target[3:4]), ("principal_curvature", target[4:6])):
            self._errors[task].add(results[task].cpu().numpy(), wanted)
            self._constants[task].add(wanted)

    def values(self) -> dict[str, float]:
        """Return the figures by name."""
        figures = {**self._segmentation.values(), **self._normal.values()}
        figures |= {f"{task} top1": value for task, one in self._classes.items() for value in one.values().values()}
        for task, error in self._errors.items():
            if error.values():
                figures[f"{task} l1"] = error.values()["l1"]
                figures[f"{task} l1 against constant"] = error.values()["l1"] / self._constants[task].values()["l1"]
        return figures


@torch.no_grad()
def validate(
    networks: TaskNetworks | CodedNetworks, views: ViewSet, indices: np.ndarray, rate: int, device: str
) -> Validation:
    """Measure on the views `indices`; `rate` is ignored for networks without a codec."""
    networks.eval()
    figures = FrameFigures()
    bits: dict[str, float] = {}
    for start in range(0, len(indices), BATCH):
        batch = load(views, indices[start : start + BATCH]).to(device)
        results, spent = run(networks, batch, rate)
        for group, value in spent.items():
            bits[group] = bits.get(group, 0.0) + float(value.sum()) / len(indices)
        for i in range(len(batch.f8)):
            figures.add_class("class_scene", results["class_scene"][i], int(batch.scene[i]))
            figures.add_class("class_object", results["class_object"][i], int(batch.object_class[i]))
            if bool(batch.has_segmentation[i]):
                figures.add_segmentation(results["segment_semantic"][i], batch.segmentation[i])
            if bool(batch.has_geometry[i]):
                figures.add_geometry({task: value[i] for task, value in results.items()}, batch.geometry[i])
    return Validation(figures.values(), bits)


def run(networks: TaskNetworks | CodedNetworks, batch: Batch, rate: int) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
    """Results {task: values at 128x128 or logits} and bits {group: [N]} of a batch."""
    tasks = networks.tasks if isinstance(networks, CodedNetworks) else networks
    features = tasks.features(batch.f8, batch.pooled)
    bits: dict[str, Tensor] = {}
    if isinstance(networks, CodedNetworks):
        rates = torch.full((len(batch.f8),), rate, device=batch.f8.device)
        for group, codec in networks.codecs.items():
            coded = codec({task: features[task] for task in TASKS_OF_GROUP[group]}, rates)
            bits[group] = coded.bits
            features |= coded.features
    raw = tasks.results(features)
    size = (LABEL_PX, LABEL_PX)
    return {
        task: dense_result(task, F.interpolate(value, size=size, mode="bilinear", align_corners=False))
        if task in DENSE_OUTPUTS
        else value
        for task, value in raw.items()
    }, bits


def describe(validation: Validation) -> str:
    """One line for the log."""
    parts = [f"{group} {value / 8:.1f} B" for group, value in validation.bits.items()]
    if validation.bits:
        parts.append(f"total {sum(validation.bits.values()) / 65536:.4f} bpp")
    return ", ".join(parts + [f"{name} {value:.4f}" for name, value in validation.figures.items()])
