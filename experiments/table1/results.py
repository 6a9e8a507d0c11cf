"""table1.json as typed values.

found --Results.of--> the original's and the control's figures, every scheme's seeds, IDFC's QPs
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.report.results import Made, coded_bytes, plateau_of, point_of, points_of, reading
from experiments.runs.measure import Point
from experiments.runs.plateau import Plateau

NAME = "table1"
ORDER = ("scale", "hyperprior", "channels", "positions", "codebook", "context", "linear")


@dataclass(frozen=True)
class SeedResult:
    """One trained codec: its operating points on test frames, and its plateau."""

    test: tuple[Point, ...]
    plateau: Plateau


@dataclass(frozen=True)
class Table1Results:
    """The results file, of test frames.

    limit: the plateau's threshold on validation frames, and control_validation the control group's figure there that it comes from.
    idfc: (validation, test) for each QP, from the coarsest.
    """

    made: Made
    task: str
    figure: str
    limit: float
    control_validation: float
    original: Mapping[str, float]
    control: tuple[Point, ...]
    schemes: Mapping[str, tuple[SeedResult, ...]]
    idfc: tuple[tuple[Point, Point], ...]
    rate_ratio: Mapping[str, tuple[float | None, ...]]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> Table1Results:
        """From table1.json; raises DataError where something is missing."""
        with reading(NAME):
            return cls(
                Made.of(found, NAME),
                found["task"],
                found["figure"],
                found["plateau_threshold"],
                statistics.fmean(e["validation"]["figures"][found["task"]][found["figure"]] for e in found["control"]),
                found["original"]["test"],
                tuple(point_of(entry["test"]) for entry in found["control"]),
                {
                    scheme: tuple(SeedResult(points_of(e["test"]), plateau_of(e["plateau"])) for e in entries)
                    for scheme, entries in found["schemes"].items()
                },
                tuple((point_of(entry["validation"]), point_of(entry["test"])) for entry in found["idfc"]),
                {name: tuple(values) for name, values in found["rate_ratio"].items()},
            )

    @property
    def order(self) -> list[str]:
        """The schemes of this file, in the order in which they are shown."""
        return [scheme for scheme in ORDER if scheme in self.schemes]

    @property
    def idfc_plateau(self) -> tuple[Point, bool]:
        """IDFC on test frames at the cheapest QP that is at the plateau on validation frames, else at the best one there; whether it is."""

        def figure(point: Point) -> float:
            return point.figures[self.task][self.figure]

        good = [pair for pair in self.idfc if figure(pair[0]) >= self.limit]
        if good:
            return min(good, key=lambda pair: coded_bytes(pair[0]))[1], True
        return max(self.idfc, key=lambda pair: figure(pair[0]))[1], False
