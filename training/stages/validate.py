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


@torch.no_grad()
def validate(
    networks: TaskNetworks | CodedNetworks, views: ViewSet, indices: np.ndarray, rate: int, device: str
) -> Validation:
    """Measure on the views `indices`; `rate` is ignored for networks without a codec."""
    networks.eval()
    segmentation, normal = SegmentationMetric(SEGMENT_CLASSES, SEGMENTATION_BACKGROUND), NormalMetric()
    classes = {task: TopOneMetric(task_named(task).outputs) for task in CLASS_TASKS}
    errors = {task.name: AbsoluteErrorMetric() for task in TASKS if task.value_range is not None}
    constants = {
        task.name: MedianConstant(task.outputs, *task.value_range) for task in TASKS if task.value_range is not None
    }
    bits: dict[str, float] = {}
    for start in range(0, len(indices), BATCH):
        batch = load(views, indices[start : start + BATCH]).to(device)
        results, spent = run(networks, batch, rate)
        for group, value in spent.items():
            bits[group] = bits.get(group, 0.0) + float(value.sum()) / len(indices)
        for i in range(len(batch.f8)):
            for task, metric in classes.items():
                label = int(batch.scene[i] if task == "class_scene" else batch.object_class[i])
                if label >= 0:
                    metric.add(results[task][i].softmax(0).cpu().numpy(), label)
            if bool(batch.has_segmentation[i]):
                segmentation.add(
                    results["segment_semantic"][i].argmax(0).cpu().numpy(), batch.segmentation[i].cpu().numpy()
                )
            if bool(batch.has_geometry[i]):
                target = batch.geometry[i].cpu().numpy()
                reference = {"reshading": target[3:4], "principal_curvature": target[4:6]}
                normal.add(results["normal"][i].cpu().numpy(), F.normalize(batch.geometry[i, :3], dim=0).cpu().numpy())
                for task, error in errors.items():
                    error.add(results[task][i].cpu().numpy(), reference[task])
                    constants[task].add(reference[task])
    figures = {**segmentation.values(), **normal.values()}
    figures |= {f"{task} top1": value for task, metric in classes.items() for value in metric.values().values()}
    for task, error in errors.items():
        if error.values():
            figures[f"{task} l1"] = error.values()["l1"]
            figures[f"{task} l1 against constant"] = error.values()["l1"] / constants[task].values()["l1"]
    return Validation(figures, bits)


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
