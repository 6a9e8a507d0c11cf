"""Figures of a codec on a split: what its bits are, and how well the frozen heads do on what D gives them.

FeatureSet --codec at a rate--> h^_t --frozen heads--> results at the labels' size --> figures (shared.model.task_metrics)
                    `--> cross-entropy, or real bytes (experiments.codecs.coding)
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from operator import attrgetter
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional as F

from experiments.codecs.coding import CodebookCoder, HyperpriorCoder, coder_of, optimised_rounding
from experiments.runs.curves import Curve
from experiments.suites.suite import Suite
from experiments.suites.tasks import ExperimentTask, result
from shared.model.task_metrics import (
    IGNORE,
    AbsoluteErrorMetric,
    MedianConstant,
    Metric,
    NormalMetric,
    SegmentationMetric,
    TopOneMetric,
    rounded,
)
from training.networks.codec import GroupCodec, TransformCodec

BATCH = 16
INPUT_PIXELS = 256 * 256
Figures = dict[str, float]
Decode = Callable[[Tensor, Tensor], Mapping[str, Tensor]]
Analyse = Callable[[npt.NDArray[np.int64]], Mapping[str, Tensor]]


@dataclass(frozen=True)
class Point:
    """One operating point on one split.

    bits, side_bits: cross-entropy by the model, mean of a frame. coded_bytes: mean length of real bitstreams, None where none were made.
    figures: {task: {name: value}}.
    """

    rate: float
    bits: float
    side_bits: float
    coded_bytes: float | None
    figures: Mapping[str, Mapping[str, float]]

    def as_json(self) -> dict[str, Any]:
        """Return the figures as a results file keeps them."""
        return asdict(self)

    @property
    def bpp(self) -> float:
        """Coded bits (cross-entropy where nothing was coded) per pixel of the network's 256x256 input."""
        return (self.bits if self.coded_bytes is None else 8 * self.coded_bytes) / INPUT_PIXELS


def curve_of(
    points: Sequence[Point],
    task: str,
    figure: str,
    higher_is_better: bool = True,
    rate: Callable[[Point], float] = attrgetter("bpp"),
) -> Curve:
    """The curve of one figure of a task."""
    return Curve.of([(rate(point), point.figures[task][figure]) for point in points], higher_is_better)


class TaskFigures:
    """Accumulates one task's figures over a split; labels and values at any size, values are stretched to the labels'."""

    def __init__(self, task: ExperimentTask) -> None:
        self.task = task
        self.metric: Metric
        if task.kind == "class":
            self.metric = TopOneMetric(task.outputs)
        elif task.kind == "segmentation":
            self.metric = SegmentationMetric(task.outputs, task.background)
        elif task.kind == "normal":
            self.metric = NormalMetric()
        else:
            self.metric = AbsoluteErrorMetric()
        self.constant = MedianConstant(task.outputs, *task.value_range) if task.kind == "values" else None
        self.cross_entropy, self.pixels = 0.0, 0

    def add(self, raw: Tensor, label: npt.NDArray[Any]) -> None:
        """raw [N, C, h, w] or logits [N, C] of a batch; label as a FeatureSet keeps it."""
        if self.task.kind == "class":
            for logits, wanted in zip(raw.softmax(1).cpu().numpy(), label.tolist(), strict=True):
                if wanted >= 0:
                    self.metric.add(logits, wanted)  # type: ignore[attr-defined]
            self._add_cross_entropy(raw, torch.from_numpy(label.astype(np.int64)), -1)
            return
        stretched = F.interpolate(raw, size=label.shape[-2:], mode="bilinear", align_corners=False)
        if self.task.kind == "segmentation":
            self._add_cross_entropy(stretched, torch.from_numpy(label.astype(np.int64)), IGNORE)
            for ids, wanted in zip(stretched.argmax(1).cpu().numpy(), label, strict=True):
                self.metric.add(ids, wanted)  # type: ignore[attr-defined]
            return
        for values, wanted in zip(result(self.task, stretched).cpu().numpy(), label.astype(np.float32), strict=True):
            valid = ~np.isnan(wanted).any(0)
            self.metric.add(values, wanted, valid)  # type: ignore[attr-defined]
            if self.constant is not None:
                self.constant.add(wanted, valid)

    def _add_cross_entropy(self, logits: Tensor, label: Tensor, ignore: int) -> None:
        label = label.to(logits.device)
        self.cross_entropy += float(F.cross_entropy(logits, label, ignore_index=ignore, reduction="sum"))
        self.pixels += int((label != ignore).sum())

    def values(self) -> Figures:
        """Every figure of the task; empty where no frame had a label."""
        figures = self.metric.values()
        if self.pixels:
            figures["cross_entropy"] = self.cross_entropy / self.pixels
        if self.constant is not None and figures:
            figures["constant_l1"] = self.constant.values()["l1"]
        return rounded(figures)


@torch.inference_mode()
def figures_of(suite: Suite, split: str, task_names: Sequence[str], raw_of: Analyse) -> dict[str, Figures]:
    """Figures of the tasks; raw_of(indices) gives {task: raw result} of those frames."""
    meters = {name: TaskFigures(suite.tasks[name]) for name in task_names}
    frames = suite.split(split)
    for first in range(0, len(frames), BATCH):
        indices = np.arange(first, min(first + BATCH, len(frames)))
        for name, raw in raw_of(indices).items():
            if name in meters:
                meters[name].add(raw, np.asarray(frames.arrays[f"label_{name}"][indices]))
    return {name: meter.values() for name, meter in meters.items()}


def original_figures(suite: Suite, split: str, task_names: Sequence[str], device: str) -> dict[str, Figures]:
    """Figures of the original networks: heads on the features themselves."""
    frames = suite.split(split)

    def raw_of(indices: npt.NDArray[np.int64]) -> dict[str, Tensor]:
        features = frames.batch(indices, task_names, ()).to(device).features
        return {task: suite.heads[task](feature) for task, feature in features.items()}

    return figures_of(suite, split, task_names, raw_of)


@torch.inference_mode()
def measure(
    codec: TransformCodec,
    suite: Suite,
    split: str,
    judged: Sequence[str],
    rate: float,
    device: str,
    coded: bool = False,
    decode: Decode | None = None,
    optimise_rounding: bool = False,
) -> Point:
    """One operating point of a codec. `coded`: make, decode and count real bytes, and judge what they decode to.

    decode: z [N, K], rate [N] -> {task: h^_t}, where it is not the codec's own (an external decoder, paper 3.2).
    optimise_rounding: as experiments.codecs.coding does it, which only real bytes show.
    """
    codec.eval()
    frames = suite.split(split)
    inputs = tuple(task for task in codec.spec.tasks)
    coder = coder_of(codec, rate) if coded else None
    spent, side, payload = 0.0, 0.0, 0.0

    def raw_of(indices: npt.NDArray[np.int64]) -> dict[str, Tensor]:
        nonlocal spent, side, payload
        features = frames.batch(indices, inputs, ()).to(device).features
        # a rate between two trained operating points is a fraction, which codecs tell by the type
        rates = torch.full((len(indices),), int(rate) if float(rate).is_integer() else rate, device=device)
        result = codec(features, rates)
        spent += float(result.bits.sum())
        side += float(result.side_bits.sum())
        decoded: Mapping[str, Tensor] = result.features
        if coder is not None:
            z, size = _coded(codec, coder, features, rates, optimise_rounding)
            payload += size
            decoded = (decode or codec.decode)(z, rates)
        elif decode is not None:
            decoded = decode(codec.scaled(features, rates).round(), rates)
        return {task: suite.heads[task](decoded[task]) for task in judged}

    figures = figures_of(suite, split, judged, raw_of)
    count = len(frames)
    return Point(rate, spent / count, side / count, payload / count if coded else None, figures)


def _coded(
    codec: TransformCodec,
    coder: CodebookCoder | HyperpriorCoder,
    features: Mapping[str, Tensor],
    rates: Tensor,
    optimise_rounding: bool,
) -> tuple[Tensor, int]:
    scaled = codec.scaled(features, rates)
    if isinstance(coder, HyperpriorCoder):
        done = [coder.code(row.cpu()) for row in scaled]
    else:
        assert isinstance(codec, GroupCodec)
        if optimise_rounding:
            z, v = optimised_rounding(codec, scaled, rates)
        else:
            z = scaled.round()
            v = codec.side_information(z, rates)
        done = [coder.code(row.cpu(), side.cpu()) for row, side in zip(z, v, strict=True)]
    return torch.stack([one.z for one in done]).to(rates.device), sum(one.payload_bytes for one in done)
