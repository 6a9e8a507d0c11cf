"""The rules that hold for a camera at this moment: its plan's, else the service's own.

    PlanBook, CameraDefaults --CameraRules--> policy, budget, operating point, frame rate, paused or not

Law: a rule is looked up with every frame, so that a change holds from the next one on, and takes no frame away that waits.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass

from edge_encoder.cameras.book import PlanBook
from edge_encoder.cameras.plan import CameraPlan, QueuePolicy
from edge_encoder.control.bit_budget import Budget
from edge_encoder.encoding.view import View


@dataclass(frozen=True)
class CameraDefaults:
    """The service's own settings, for what a plan leaves out. burst_seconds: of every budget."""

    queue_policy: QueuePolicy = "newest"
    budget_kbps: float | None = None
    burst_seconds: float = 2.0


class CameraRules:
    """The rules of every camera, whether or not the book names it."""

    def __init__(self, book: PlanBook, defaults: CameraDefaults) -> None:
        self._book = book
        self._defaults = defaults

    @property
    def names(self) -> Set[str]:
        """The cameras that the book names."""
        return self._book.entries.keys()

    def policy_of(self, camera_id: str) -> QueuePolicy:
        """Return what a full line of the camera's frames does."""
        return self._plan(camera_id).queue_policy or self._defaults.queue_policy

    def budget_of(self, camera_id: str) -> Budget | None:
        """Return the camera's bit budget, None for none."""
        kilobits = self._plan(camera_id).budget_kbps or self._defaults.budget_kbps
        return None if kilobits is None else Budget.of(kilobits, self._defaults.burst_seconds)

    def rate_of(self, camera_id: str) -> int | None:
        """Return the camera's operating point, the highest with a budget; None where only the service's holds."""
        return self._plan(camera_id).rate

    def most_fps_of(self, camera_id: str) -> float | None:
        """Return the frames a second that are taken of the camera at most; None for any."""
        return self._plan(camera_id).most_fps

    def view_of(self, camera_id: str) -> View:
        """Return the part of the camera's pictures that may be coded."""
        return self._plan(camera_id).view

    def is_paused(self, camera_id: str) -> bool:
        """Return whether the camera's frames are refused."""
        return self._plan(camera_id).paused

    @property
    def may_hold_back(self) -> bool:
        """Return whether any camera's frames may be held back while the cloud does not keep up."""
        plans = (entry.plan for entry in self._book.entries.values())
        return self._defaults.queue_policy == "newest" or any(plan.queue_policy == "newest" for plan in plans)

    def _plan(self, camera_id: str) -> CameraPlan:
        return self._book.plan(camera_id) or _NOTHING


_NOTHING = CameraPlan("any")
