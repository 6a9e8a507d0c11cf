"""The figures that measure the six tasks, as accumulators over a whole set (numpy alone).

Each takes one frame at a time with `add` and answers at the end. Every figure is a mean over the set's pixels (or
frames) and never a mean of frames' means. The set need not fit into memory.

    SegmentationMetric   class_id maps             -> miou, pixel_accuracy, non_background_accuracy
    TopOneMetric         probabilities, class      -> top1
    NormalMetric         unit vectors              -> mean_, median_angular_error_degrees
    AbsoluteErrorMetric  dense values              -> l1
    MedianConstant, MeanDirection                  the best constant predictions that these are compared with

Law: a metric that has seen nothing has no value. Its `values()` is empty, and zero is never reported for "unknown".
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

IGNORE = 255
"""The class id of an unlabelled pixel."""

Floats = npt.NDArray[np.float32]
Mask = npt.NDArray[np.bool_]


class Metric(Protocol):
    """A measure, as every one here answers at the end."""

    def values(self) -> dict[str, float]: ...


class SegmentationMetric:
    """A confusion matrix: rows are the reference's classes, columns the prediction's.

    An id of 255 in the reference is left out.
    """

    def __init__(self, classes: int, background: Sequence[int] = ()) -> None:
        self.confusion = np.zeros((classes, classes), np.int64)
        self.background = tuple(background)

    def add(self, prediction: npt.NDArray[np.integer[Any]], reference: npt.NDArray[np.integer[Any]]) -> None:
        if prediction.shape != reference.shape:
            raise ValueError(f"prediction {prediction.shape} and reference {reference.shape} differ in shape")
        classes = len(self.confusion)
        labelled = reference != IGNORE
        true, predicted = reference[labelled].astype(np.int64), prediction[labelled].astype(np.int64)
        for name, ids in (("reference", true), ("prediction", predicted)):
            if ids.size and not 0 <= int(ids.min()) <= int(ids.max()) < classes:
                raise ValueError(f"the {name} has class ids outside 0..{classes - 1}")
        counts = np.bincount(true * classes + predicted, minlength=classes * classes)
        self.confusion += counts.reshape(classes, classes)

    def values(self) -> dict[str, float]:
        """Return the figures; miou is the mean over the classes that occur in the reference of the whole set."""
        total = int(self.confusion.sum())
        if total == 0:
            return {}
        hits = np.diag(self.confusion)
        reference, predicted = self.confusion.sum(axis=1), self.confusion.sum(axis=0)
        present = reference > 0
        iou = hits[present] / (reference + predicted - hits)[present]
        figures = {"miou": float(iou.mean()), "pixel_accuracy": float(hits.sum() / total)}
        foreground = np.ones(len(reference), bool)
        foreground[list(self.background)] = False
        if self.background and reference[foreground].sum():
            figures["non_background_accuracy"] = float(hits[foreground].sum() / reference[foreground].sum())
        return figures

    def constant(self) -> dict[str, float]:
        """Return the figures of the best constant map, which has the commonest class everywhere."""
        best = SegmentationMetric(len(self.confusion), self.background)
        reference = self.confusion.sum(axis=1)
        best.confusion[:, int(reference.argmax())] = reference
        return best.values()


class TopOneMetric:
    """The share of frames whose most probable class is the reference's."""

    def __init__(self, classes: int) -> None:
        self.seen = np.zeros(classes, np.int64)
        self.hits = 0

    def add(self, probabilities: npt.NDArray[np.floating[Any]], reference: int) -> None:
        if probabilities.shape != self.seen.shape:
            raise ValueError(f"expected {len(self.seen)} probabilities, got an array of shape {probabilities.shape}")
        if not 0 <= reference < len(self.seen):
            raise ValueError(f"the reference class {reference} is outside 0..{len(self.seen) - 1}")
        self.seen[reference] += 1
        self.hits += int(probabilities.argmax()) == reference

    def values(self) -> dict[str, float]:
        total = int(self.seen.sum())
        return {"top1": self.hits / total} if total else {}

    def constant(self) -> dict[str, float]:
        """Return the figure of the best constant answer, the commonest class."""
        total = int(self.seen.sum())
        return {"top1": int(self.seen.max()) / total} if total else {}


class NormalMetric:
    """The angles between unit vectors [3, H, W] over valid pixels; the median comes from a histogram of 0.01 degree."""

    STEP_DEGREES = 0.01

    def __init__(self) -> None:
        self.total_degrees = 0.0
        self.histogram = np.zeros(round(180 / self.STEP_DEGREES) + 1, np.int64)

    def add(self, prediction: Floats, reference: Floats, valid: Mask | None = None) -> None:
        first, second = (normalised(vectors) for vectors in select(prediction, reference, valid))
        # Both are unit vectors. This keeps its accuracy at small angles, where acos of the product has none.
        half = np.arctan2(length(first - second), length(first + second))
        degrees = np.degrees(2 * half)
        self.total_degrees += float(degrees.sum(dtype=np.float64))
        bins = np.rint(degrees / self.STEP_DEGREES).astype(np.int64)
        self.histogram += np.bincount(bins, minlength=len(self.histogram))

    def values(self) -> dict[str, float]:
        count = int(self.histogram.sum())
        if count == 0:
            return {}
        median = int(np.searchsorted(self.histogram.cumsum(), (count + 1) // 2))
        return {
            "mean_angular_error_degrees": self.total_degrees / count,
            "median_angular_error_degrees": median * self.STEP_DEGREES,
        }


class AbsoluteErrorMetric:
    """The mean absolute error over valid pixels and channels of [C, H, W] values."""

    def __init__(self) -> None:
        self.total = 0.0
        self.count = 0

    def add(self, prediction: Floats, reference: Floats, valid: Mask | None = None) -> None:
        first, second = select(prediction, reference, valid)
        self.total += float(np.abs(first - second).sum(dtype=np.float64))
        self.count += first.size

    def values(self) -> dict[str, float]:
        return {"l1": self.total / self.count} if self.count else {}


class MedianConstant:
    """The constant of each channel that has the least l1 over the set.

    It is the median, from a histogram over [low, high]. Its own l1 is exact up to the histogram's step (1/4096 of the
    range).
    """

    BINS = 4096

    def __init__(self, channels: int, low: float, high: float) -> None:
        self.low, self.step = low, (high - low) / self.BINS
        self.histogram = np.zeros((channels, self.BINS + 1), np.int64)

    def add(self, reference: Floats, valid: Mask | None = None) -> None:
        pixels = reference[:, valid] if valid is not None else reference.reshape(len(reference), -1)
        bins = np.clip(np.rint((pixels.astype(np.float64) - self.low) / self.step), 0, self.BINS).astype(np.int64)
        for channel, values in enumerate(bins):
            self.histogram[channel] += np.bincount(values, minlength=self.BINS + 1)

    def prediction(self) -> list[float]:
        """Return the median of each channel, or nothing before any pixel was seen."""
        if not self.histogram.sum():
            return []
        halves = (self.histogram.sum(axis=1) + 1) // 2
        at = [int(np.searchsorted(row.cumsum(), half)) for row, half in zip(self.histogram, halves, strict=True)]
        return [self.low + index * self.step for index in at]

    def values(self) -> dict[str, float]:
        medians = self.prediction()
        if not medians:
            return {}
        centres = self.low + self.step * np.arange(self.BINS + 1)
        total = sum(
            float((row * np.abs(centres - median)).sum()) for row, median in zip(self.histogram, medians, strict=True)
        )
        return {"l1": total / float(self.histogram.sum())}


class MeanDirection:
    """The constant normal that others are compared with: the set's mean direction.

    Its own error needs the set twice, so that every fourth pixel of every fourth row is kept until the end.
    """

    STRIDE = 4

    def __init__(self) -> None:
        self.sum = np.zeros(3)
        self.kept: list[Floats] = []

    def add(self, reference: Floats, valid: Mask | None = None) -> None:
        if valid is None:
            valid = np.ones(reference.shape[1:], bool)
        self.sum += reference[:, valid].sum(axis=1, dtype=np.float64)
        thinned = (slice(None, None, self.STRIDE), slice(None, None, self.STRIDE))
        self.kept.append(reference[:, *thinned][:, valid[thinned]].astype(np.float32))

    def prediction(self) -> list[float]:
        """Return the unit vector, or nothing before any pixel was seen."""
        length = float(np.linalg.norm(self.sum))
        return [float(part) / length for part in self.sum] if length > 0 else []

    def values(self) -> dict[str, float]:
        direction = self.prediction()
        if not direction:
            return {}
        metric = NormalMetric()
        constant = np.array(direction, np.float32).reshape(3, 1, 1)
        for vectors in self.kept:
            reference = vectors.reshape(3, 1, -1)
            metric.add(np.broadcast_to(constant, reference.shape), reference)
        return metric.values()


def select(prediction: Floats, reference: Floats, valid: Mask | None) -> tuple[Floats, Floats]:
    """Return the valid pixels of both as [C, pixels]."""
    if prediction.shape != reference.shape:
        raise ValueError(f"prediction {prediction.shape} and reference {reference.shape} differ in shape")
    if valid is None or valid.all():
        return prediction.reshape(len(prediction), -1), reference.reshape(len(reference), -1)
    return prediction[:, valid], reference[:, valid]


def length(vectors: Floats) -> Floats:
    """Return the lengths of vectors [3, pixels]."""
    squared: Floats = np.einsum("cp,cp->p", vectors, vectors)
    return np.sqrt(squared)


def normalised(vectors: Floats) -> Floats:
    """Return the vectors [3, pixels] with unit length; one without a direction stays zero."""
    lengths = length(vectors)
    return np.divide(vectors, lengths, out=np.zeros_like(vectors), where=lengths > 0)


def rounded(figures: Mapping[str, float], digits: int = 6) -> dict[str, float]:
    """Round the figures for a report, so that its JSON has no digits that mean nothing."""
    return {name: round(value, digits) for name, value in figures.items()}
