"""Measures each task's figures, what they are compared with, and the rates.

    LabelledFrame, results --TaskMeters.add--> figures of one way to the results (an operating point, or no coding)
    LabelledFrame ----------ConstantMeters.add--> figures of the best answer that ignores the picture
    sizes of coded frames --RateMeter.add--> bits per pixel and bytes per frame

All of it is added up frame by frame. Nothing here encodes or decodes.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

from shared.model.task_metrics import (
    AbsoluteErrorMetric,
    MeanDirection,
    MedianConstant,
    Metric,
    NormalMetric,
    SegmentationMetric,
    TopOneMetric,
    rounded,
)
from shared.model.tasks import SEGMENTATION_BACKGROUND, SEGMENTATION_LABELS, TASKS

Figures = dict[str, float]
Result = npt.NDArray[Any]

CLASSES = {task.name: task.outputs for task in TASKS if not task.is_dense}
VALUE_RANGE = {task.name: (task.outputs, *task.value_range) for task in TASKS if task.value_range is not None}
"""The channels, the lowest and the highest value of each task that l1 measures."""


class Labels(Protocol):
    """The labels of a frame, as training.datasets.LabelledFrame has them; None for a task that has none."""

    @property
    def class_scene(self) -> int | None: ...
    @property
    def class_object(self) -> int | None: ...
    @property
    def segment_semantic(self) -> npt.NDArray[np.uint8] | None: ...
    @property
    def normal(self) -> npt.NDArray[np.float32] | None: ...
    @property
    def reshading(self) -> npt.NDArray[np.float32] | None: ...
    @property
    def principal_curvature(self) -> npt.NDArray[np.float32] | None: ...
    @property
    def valid(self) -> npt.NDArray[np.bool_] | None: ...


def labelled_tasks(frame: Labels) -> tuple[str, ...]:
    """Return the tasks that this frame can measure."""
    return tuple(task.name for task in TASKS if getattr(frame, task.name) is not None)


class TaskMeters:
    """The figures of all tasks for one way to the results."""

    def __init__(self) -> None:
        self._segmentation = SegmentationMetric(len(SEGMENTATION_LABELS), SEGMENTATION_BACKGROUND)
        self._normal = NormalMetric()
        self._classes = {name: TopOneMetric(classes) for name, classes in CLASSES.items()}
        self._values = {name: AbsoluteErrorMetric() for name in VALUE_RANGE}

    def add(self, task: str, result: Result, frame: Labels) -> None:
        """Add one frame's result of one task, without a batch axis. The frame has a label for that task."""
        label = getattr(frame, task)
        if task == "segment_semantic":
            self._segmentation.add(result, label)
        elif task == "normal":
            self._normal.add(result, label, frame.valid)
        elif task in self._classes:
            self._classes[task].add(result, label)
        else:
            self._values[task].add(result, label, frame.valid)

    def figures(self) -> dict[str, Figures]:
        """Return the figures by task; a task that was never added is left out."""
        metrics: dict[str, Metric] = {
            "segment_semantic": self._segmentation,
            "normal": self._normal,
            **self._classes,
            **self._values,
        }
        return {task.name: figures for task in TASKS if (figures := rounded(metrics[task.name].values()))}


class ConstantMeters:
    """The figures of the best constant answer to each task, over the labels alone."""

    def __init__(self) -> None:
        self._segmentation = SegmentationMetric(len(SEGMENTATION_LABELS), SEGMENTATION_BACKGROUND)
        self._classes = {name: TopOneMetric(classes) for name, classes in CLASSES.items()}
        self._normal = MeanDirection()
        self._values = {name: MedianConstant(*limits) for name, limits in VALUE_RANGE.items()}

    def add(self, frame: Labels) -> None:
        for task in labelled_tasks(frame):
            label = getattr(frame, task)
            if task == "segment_semantic":
                self._segmentation.add(label, label)
            elif task == "normal":
                self._normal.add(label, frame.valid)
            elif task in self._classes:
                self._classes[task].add(np.zeros(CLASSES[task]), label)
            else:
                self._values[task].add(label, frame.valid)

    def figures(self) -> dict[str, Figures]:
        """Return the figures by task; a task without labels is left out."""
        found = {
            "segment_semantic": self._segmentation.constant(),
            "normal": self._normal.values(),
            **{name: metric.constant() for name, metric in self._classes.items()},
            **{name: metric.values() for name, metric in self._values.items()},
        }
        return {task.name: rounded(found[task.name]) for task in TASKS if found[task.name]}


@dataclass
class RateMeter:
    """The three rates, for each group and in total (docs/format.md). A group's bytes are those of its substream, framing included."""

    pixels: int
    frames: int = 0
    total_bytes: int = 0
    _cross_entropy: dict[str, float] = field(default_factory=lambda: defaultdict(float))
    _payload: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    _bytes: dict[str, int] = field(default_factory=lambda: defaultdict(int))

    def add_substream(self, group: str, cross_entropy_bits: float, payload_bytes: int, substream_bytes: int) -> None:
        self._cross_entropy[group] += cross_entropy_bits
        self._payload[group] += payload_bytes
        self._bytes[group] += substream_bytes

    def add_frame(self, bitstream_bytes: int) -> None:
        """Add a frame's whole bitstream; call it once for each frame."""
        self.frames += 1
        self.total_bytes += bitstream_bytes

    def figures(self) -> dict[str, Figures]:
        """Return the rates by group, and `total`."""
        table = {
            name: self._figures(self._cross_entropy[name], self._payload[name], self._bytes[name])
            for name in self._payload
        }
        table["total"] = self._figures(sum(self._cross_entropy.values()), sum(self._payload.values()), self.total_bytes)
        return table

    def _figures(self, cross_entropy_bits: float, payload: int, size: int) -> Figures:
        per_frame = max(1, self.frames)
        return {
            "cross_entropy_bpp": round(cross_entropy_bits / per_frame / self.pixels, 8),
            "coded_bpp": round(8 * payload / per_frame / self.pixels, 8),
            "bytes_per_frame": round(size / per_frame, 4),
        }


def operating_point_document(
    rate_index: int,
    rate: RateMeter,
    coded: TaskMeters,
    uncompressed: Mapping[str, Figures],
    constant: Mapping[str, Figures],
) -> dict[str, Any]:
    """Return one entry of `operating_points` in the report."""
    tasks = {
        task: {**figures, "uncompressed": uncompressed.get(task, {}), "constant": constant.get(task, {})}
        for task, figures in coded.figures().items()
    }
    return {"rate_index": rate_index, "rate": rate.figures(), "tasks": tasks}


def table(report: Mapping[str, Any]) -> str:
    """Return the report for people: the rates, then every task beside its uncompressed network and the best constant."""
    lines = [
        f"{report['frames']} frames, {report['lossless_frames']} decoded symbol for symbol, bundle {report['bundle']}"
    ]
    for point in report["operating_points"]:
        lines += [
            "",
            f"operating point {point['rate_index']}",
            f"  {'rate':<20}{'cross-entropy bpp':>20}{'coded bpp':>14}{'bytes a frame':>16}",
        ]
        for group, rate in point["rate"].items():
            lines.append(
                f"  {group:<20}{rate['cross_entropy_bpp']:>20.5f}{rate['coded_bpp']:>14.5f}{rate['bytes_per_frame']:>16.1f}"
            )
        lines += ["", f"  {'task':<22}{'figure':<32}{'coded':>10}{'uncompressed':>14}{'constant':>10}"]
        for task, figures in point["tasks"].items():
            others = figures["uncompressed"], figures["constant"]
            for metric, value in figures.items():
                if not isinstance(value, dict):
                    beside = "".join(
                        f"{other[metric]:>{width}.4f}" if metric in other else " " * (width - 1) + "-"
                        for other, width in zip(others, (14, 10), strict=True)
                    )
                    lines.append(f"  {task:<22}{metric:<32}{value:>10.4f}{beside}")
    return "\n".join(lines)
