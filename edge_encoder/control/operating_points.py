"""The operating point of each frame: the settings' for cameras without a bit budget, the rate control's for the others.

    pace(camera, groups) -> Pace or None (over budget)          settle(pace, coded bytes) -> whether the frame is sent

Law: every pace is settled or given back once. May be called from several threads.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from edge_encoder.control.bit_budget import BitBudget, Budget, Choice
from shared.model.bundle import Bundle


@dataclass(frozen=True)
class Pace:
    """A frame's operating point. choice: what the budget put aside, None without a budget."""

    rate: int
    choice: Choice | None


class OperatingPoints:
    """rate: as in the settings. budget_of: a camera's budget. clock: seconds, monotonic. Raises UnknownName for the rate."""

    def __init__(
        self,
        bundle: Bundle,
        rate: int | None,
        budget_of: Callable[[str], Budget | None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        points = [point.rate for point in bundle.manifest.operating_points]
        self._rate = bundle.manifest.default_rate if rate is None else bundle.operating_point(rate).rate
        self._control = BitBudget([point for point in points if rate is None or point <= rate])
        self._budget_of = budget_of
        self._clock = clock
        self._lock = Lock()

    def pace(self, camera_id: str, groups: tuple[str, ...]) -> Pace | None:
        """The operating point of a camera's next frame; None where its budget is spent."""
        budget = self._budget_of(camera_id)
        if budget is None:
            return Pace(self._rate, None)
        with self._lock:
            choice = self._control.choose(camera_id, groups, budget, self._clock())
        return None if choice is None else Pace(choice.rate, choice)

    def settle(self, pace: Pace, coded_bytes: int) -> bool:
        """False where the frame came out larger than the budget has room for."""
        if pace.choice is None:
            return True
        with self._lock:
            return self._control.settle(pace.choice, 8 * coded_bytes, self._clock())

    def give_back(self, pace: Pace) -> None:
        """The frame came to nothing."""
        if pace.choice is not None:
            with self._lock:
                self._control.give_back(pace.choice)
