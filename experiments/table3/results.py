"""table3.json as typed values.

found --Results.of--> the three aggregations' curves, the ratios of all pairs, the best grouping
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.report.results import Made
from experiments.runs.curves import Curve

NAME = "table3"


@dataclass(frozen=True)
class Total:
    """All codecs of an aggregation at one operating point. bpp: their sum; relative: mean performance, 1 is the original's."""

    bpp: float
    relative: float
    figures: Mapping[str, float]


@dataclass(frozen=True)
class CurveReading:
    """The point at which a curve reaches a performance. position: the operating point, between two where it is no whole number."""

    reached: bool
    position: float
    total: Total


@dataclass(frozen=True)
class Aggregation:
    """Groups of tasks, one codec each, and the curve of their totals, fewest bits first."""

    groups: tuple[tuple[str, ...], ...]
    validation: tuple[Total, ...]
    test: tuple[Total, ...]

    def at(self, relative: float) -> CurveReading:
        """On test frames, the operating point at which `relative` is first reached on validation frames; else the dearest."""
        curve = Curve.of([(total.bpp, total.relative) for total in self.validation], True)
        bpp = curve.rate_at(relative)
        if bpp is None:
            return CurveReading(False, len(self.test) - 1.0, self.test[-1])
        rates = np.maximum.accumulate([total.bpp for total in self.validation])
        position = float(np.interp(np.log(bpp), np.log(rates), np.arange(len(rates))))
        return CurveReading(True, position, between(self.test, position))


def between(totals: Sequence[Total], position: float) -> Total:
    """The totals at an operating point between two: figures linear, the rate in its logarithm."""
    at = np.arange(len(totals))

    def read(values: Sequence[float]) -> float:
        return float(np.interp(position, at, values))

    return Total(
        float(np.exp(read([np.log(total.bpp) for total in totals]))),
        read([total.relative for total in totals]),
        {task: read([total.figures[task] for total in totals]) for task in totals[0].figures},
    )


@dataclass(frozen=True)
class Table3Results:
    """The results file. figures, original, higher_is_better: by task, on test frames; pairs: {"a+b": rate together / apart}."""

    made: Made
    tolerance: float
    figures: Mapping[str, str]
    original: Mapping[str, float]
    higher_is_better: Mapping[str, bool]
    aggregations: Mapping[str, Aggregation]
    rate_ratio: Mapping[str, float | None]
    pair_steps: int
    pairs: Mapping[str, float | None]
    best_grouping: tuple[tuple[str, ...], ...]

    @property
    def level(self) -> float:
        """The mean performance to compare at: the plateau's, or the best that all aggregations reach on validation frames."""
        best = [max(total.relative for total in entry.validation) for entry in self.aggregations.values()]
        return min(1 - self.tolerance, *best)

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Table3Results:
        """From table3.json."""
        aggregations = {
            name: Aggregation(
                _groups(entry["groups"]), _totals(entry["curve"]["validation"]), _totals(entry["curve"]["test"])
            )
            for name, entry in found["aggregations"].items()
        }
        tasks = [task for group in aggregations["customized"].groups for task in group]
        figures = {task: next(name for name in FIGURES if name in found["original"]["test"][task]) for task in tasks}
        return cls(
            Made.of(found, NAME),
            found["tolerance"],
            figures,
            {task: found["original"]["test"][task][figure] for task, figure in figures.items()},
            {task: figure in HIGHER_IS_BETTER for task, figure in figures.items()},
            aggregations,
            found["rate_ratio"],
            found["pairs"]["steps"],
            found["pairs"]["rate_ratio"],
            _groups(found["pairs"]["best_grouping"]),
        )

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks in the order of the file."""
        return tuple(self.figures)

    def pair(self, a: str, b: str) -> float | None:
        """Rate of two tasks together / apart."""
        return self.pairs[f"{a}+{b}"] if f"{a}+{b}" in self.pairs else self.pairs[f"{b}+{a}"]


# the file names no task's figure: of those that it has, the one that counts comes first here
FIGURES = ("miou", "top1", "mean_angular_error_degrees", "l1")
HIGHER_IS_BETTER = ("miou", "top1")


def _groups(groups: Sequence[Sequence[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(tuple(group) for group in groups)


def _totals(entries: Sequence[Mapping[str, Any]]) -> tuple[Total, ...]:
    return tuple(Total(entry["bpp"], entry["relative"], entry["figures"]) for entry in entries)
