"""Chooses each frame's operating point: the camera's or the settings' without a bit budget, `BitBudget`'s choice with one.

    camera, groups --choose--> ChosenPoint, or None (over budget)
    ChosenPoint --coding--> settle: sent, or larger than what is left;  give_back: came to nothing

Its methods may be called from several threads.

Law: every chosen point is settled or given back once.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from threading import Lock

from edge_encoder.control.bit_budget import BitBudget, Budget, Choice
from shared.model.bundle import Bundle


@dataclass(frozen=True)
class ChosenPoint:
    """A frame's operating point. choice: the bits that the budget put aside, None without a budget."""

    rate: int
    choice: Choice | None


class OperatingPoints:
    """The operating points of all cameras. rate: as in the settings. budget_of: gives a camera's budget.

    clock: gives seconds, monotonic. rate_of: gives a camera's own point, None for the settings'. One that this bundle
    does not have stands for the next one below. Raises UnknownName for a `rate` that the bundle does not have.
    """

    def __init__(
        self,
        bundle: Bundle,
        rate: int | None,
        budget_of: Callable[[str], Budget | None],
        clock: Callable[[], float] = time.monotonic,
        rate_of: Callable[[str], int | None] = lambda _: None,
    ) -> None:
        self._points = sorted(point.rate for point in bundle.manifest.operating_points)
        self._rate = bundle.manifest.default_rate if rate is None else bundle.operating_point(rate).rate
        self._highest = rate
        self._rate_of = rate_of
        self._budgets = BitBudget(self._points)
        self._budget_of = budget_of
        self._clock = clock
        self._lock = Lock()

    def choose(self, camera_id: str, groups: tuple[str, ...]) -> ChosenPoint | None:
        """Return the operating point of a camera's next frame; None where its budget is spent."""
        budget = self._budget_of(camera_id)
        own = self._rate_of(camera_id)
        if budget is None:
            return ChosenPoint(self._rate if own is None else self._at_most(own), None)
        highest = self._highest if own is None else own
        with self._lock:
            choice = self._budgets.choose(camera_id, groups, budget, self._clock(), highest)
        return None if choice is None else ChosenPoint(choice.rate, choice)

    def forget(self, camera_id: str) -> None:
        """Forget a camera that has left, of which nothing is being coded."""
        with self._lock:
            self._budgets.forget(camera_id)

    def _at_most(self, rate: int) -> int:
        return max((point for point in self._points if point <= rate), default=self._points[0])

    def settle(self, point: ChosenPoint, coded_bytes: int) -> bool:
        """Spend a frame's bits; return False where it came out larger than the budget has room for."""
        if point.choice is None:
            return True
        with self._lock:
            return self._budgets.settle(point.choice, 8 * coded_bytes, self._clock())

    def give_back(self, point: ChosenPoint) -> None:
        """Free the bits that were put aside for a frame that came to nothing."""
        if point.choice is not None:
            with self._lock:
                self._budgets.give_back(point.choice)
