"""R_p (eq. 4): the least rate at which a task does as well as without compression.

It is found on validation frames and reported on test frames.

    search         real operating points: bisection over what an encoder may choose (a rate between two trained ones, a QP)
    interpolated   between the trained operating points of a run, for schemes that have no others

"As well" is within TOLERANCE of the figure without compression, one number for every task and scheme.
It is the same 3 % by which a release's tasks may fall behind their uncompressed networks.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from experiments.runs.measure import Point
from experiments.suites.tasks import ExperimentTask

TOLERANCE = 0.03
SEARCH_STEPS = 6


@dataclass(frozen=True)
class Plateau:
    """The rate at which a task's plateau begins.

    reached: False where even the dearest operating point misses the threshold; then that point is given. setting: operating point or QP.
    """

    reached: bool
    setting: float
    validation: Point
    test: Point


def threshold(task: ExperimentTask, original: float) -> float:
    """The worst figure that still counts as the plateau."""
    return original * (1 - TOLERANCE) if task.higher_is_better else original * (1 + TOLERANCE)


def reaches(task: ExperimentTask, figure: float, limit: float) -> bool:
    """Return True for a figure at the plateau."""
    return not task.better(limit, figure)


def search(
    measure: Callable[[str, float], Point],
    task: ExperimentTask,
    limit: float,
    cheapest: float,
    dearest: float,
    whole: bool = False,
) -> Plateau:
    """Bisect between two settings for the cheapest that is at the plateau on validation frames, and measure it on test frames.

    measure(split, setting): a Point with the task's figures; its rate is taken to rise from `cheapest` to `dearest`. whole: settings are
    whole numbers (QPs), and the search is exact if the figure rises with the rate.
    """

    def good(point: Point) -> bool:
        return reaches(task, point.figures[task.name][task.figure], limit)

    best, best_setting = measure("validation", dearest), dearest
    reached = good(best)
    if reached:
        low, high = cheapest, dearest
        first = measure("validation", cheapest)
        if good(first):
            best, best_setting, low = first, cheapest, dearest
        steps = int(np.ceil(np.log2(abs(high - low)))) if whole and low != high else SEARCH_STEPS
        for _ in range(steps if low != high else 0):
            middle = (low + high) / 2
            middle = float(round(middle)) if whole else middle
            if middle in (low, high):
                break
            point = measure("validation", middle)
            if good(point):
                best, best_setting, high = point, middle, middle
            else:
                low = middle
    return Plateau(reached, best_setting, best, measure("test", best_setting))


def interpolated(task: ExperimentTask, limit: float, validation: Sequence[Point], test: Sequence[Point]) -> Plateau:
    """The first crossing of the limit along a run's operating points (fewest bits first), everything in between taken as linear."""
    figures = [point.figures[task.name][task.figure] for point in validation]
    at = next((i for i, figure in enumerate(figures) if reaches(task, figure, limit)), None)
    if at is None:
        last = len(figures) - 1
        return Plateau(False, float(last), validation[last], test[last])
    share = 1.0 if at == 0 else (limit - figures[at - 1]) / (figures[at] - figures[at - 1])
    return Plateau(
        True, max(0, at - 1) + share if at else 0.0, between(validation, at, share), between(test, at, share)
    )  # fmt: skip


def between(points: Sequence[Point], at: int, share: float) -> Point:
    """The point `share` of the way from operating point `at` - 1 to `at`."""
    b = points[at]
    a = points[max(0, at - 1)]

    def mix(x: float, y: float) -> float:
        return x + share * (y - x)

    coded = None if a.coded_bytes is None or b.coded_bytes is None else mix(a.coded_bytes, b.coded_bytes)
    figures: Mapping[str, Mapping[str, Any]] = {
        task: {name: mix(a.figures[task][name], value) for name, value in of_task.items()}
        for task, of_task in b.figures.items()
    }
    return Point(mix(a.rate, b.rate), mix(a.bits, b.bits), mix(a.side_bits, b.side_bits), coded, figures)
