"""The cameras that this edge takes, and what became of their frames.

    check(name) -> refused, or known from here on          note(receipt) -> counts

Law: no more than `most_cameras` names are ever remembered, whatever is posted.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

from edge_encoder.metrics.service import EdgeMetrics
from shared.contract.packets import checked_name
from shared.contract.receipts import Outcome, Receipt
from shared.errors import Busy, UnknownCamera


@dataclass(frozen=True)
class CameraCounts:
    """A camera since the service started. last_sequence, last_capture_time_us: of its last coded frame; 0 for none yet."""

    camera_id: str
    coded: int
    not_wanted: int
    superseded: int
    over_budget: int
    coded_bytes: int
    last_sequence: int
    last_capture_time_us: int


class Cameras:
    """allowed: the only ones taken; empty for any."""

    def __init__(self, allowed: Collection[str], most: int, metrics: EdgeMetrics) -> None:
        self._allowed = frozenset(allowed)
        self._most = most
        self._metrics = metrics
        self._outcomes: dict[str, Counter[Outcome]] = {}
        self._bytes: Counter[str] = Counter()
        self._last: dict[str, Receipt] = {}
        self._tell_of_new: Callable[[], None] = lambda: None

    @property
    def names(self) -> Collection[str]:
        """The cameras that the cloud may offer: those that gave frames, and those that the settings name."""
        return self._outcomes.keys() | self._allowed

    def knows(self, camera_id: str) -> bool:
        """Whether the camera was taken before: any name may be posted."""
        return camera_id in self._outcomes

    def on_new(self, tell: Callable[[], None]) -> None:
        """Calls `tell` whenever a camera comes that was not known before."""
        self._tell_of_new = tell

    def check(self, camera_id: str) -> str:
        """The name, if it is one and the camera is taken; raises BadName, UnknownCamera, or Busy where there are too many."""
        if camera_id in self._outcomes:
            return camera_id
        checked_name("camera", camera_id)
        if self._allowed and camera_id not in self._allowed:
            raise UnknownCamera(camera_id, sorted(self._allowed))
        if len(self._outcomes) >= self._most:
            raise Busy(f"this edge has {self._most} cameras already; give the camera to another, or raise most_cameras")
        self._outcomes[camera_id] = Counter()
        self._metrics.cameras.saw(camera_id)
        self._tell_of_new()
        return camera_id

    def note(self, receipt: Receipt) -> None:
        """Counts a frame that was taken."""
        if receipt.repeated_post:
            self._metrics.repeated.inc()
            self._metrics.cameras.gave(receipt.camera_id)
            return
        name = receipt.camera_id
        self._outcomes[name][receipt.outcome] += 1
        self._metrics.cameras.answered(name, receipt.outcome)
        if receipt.outcome is Outcome.CODED:
            self._bytes[name] += receipt.coded_bytes
            if name not in self._last or self._last[name].sequence < receipt.sequence:
                self._last[name] = receipt

    def counts(self) -> tuple[CameraCounts, ...]:
        """Of every camera, by name."""
        return tuple(self._count(name) for name in sorted(self._outcomes))

    def _count(self, name: str) -> CameraCounts:
        outcomes, last = self._outcomes[name], self._last.get(name)
        return CameraCounts(
            name,
            outcomes[Outcome.CODED],
            outcomes[Outcome.NOT_WANTED],
            outcomes[Outcome.SUPERSEDED],
            outcomes[Outcome.OVER_BUDGET],
            self._bytes[name],
            0 if last is None else last.sequence,
            0 if last is None else last.capture_time_us,
        )
