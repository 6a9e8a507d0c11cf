"""The cameras that this edge takes, and what became of their frames.

    camera id --check--> KnownCamera, remembered from here on          Receipt --note--> the camera's counts

Law: no more than `most_cameras` names are remembered beside those that somebody named, whatever is posted.
"""

from __future__ import annotations

import math
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Set
from contextlib import contextmanager
from dataclasses import dataclass

from edge_encoder.cameras.rules import CameraRules
from edge_encoder.frames import KnownCamera
from edge_encoder.metrics.service import EdgeMetrics
from edge_encoder.sight.sights import CameraSight
from shared.contract.packets import checked_name
from shared.contract.receipts import Outcome, Receipt
from shared.errors import Busy, UnknownCamera
from shared.sources.state import SourceCondition


@dataclass(frozen=True)
class CameraCounts:
    """One camera since the service started. last: the receipt of its newest coded frame, None before the first.

    answered_age_seconds: the age of its last frame that was answered, None before the first. source: what is known of
    the source that the edge plays for it, None where it posts. sight: what its pictures show, None before the first.
    """

    camera_id: str
    outcomes: Mapping[Outcome, int]
    coded_bytes: int
    last: Receipt | None
    answered_age_seconds: float | None = None
    source: SourceCondition | None = None
    sight: CameraSight | None = None


class Cameras:
    """Checks camera ids and counts outcomes.

    allowed: the only cameras that are taken beside those that the rules name; empty for any. clock: seconds, monotonic.
    """

    def __init__(
        self,
        allowed: Collection[str],
        most: int,
        metrics: EdgeMetrics,
        rules: CameraRules,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allowed = frozenset(allowed)
        self._most = most
        self._metrics = metrics
        self.rules = rules
        self._clock = clock
        self._outcomes: dict[str, Counter[Outcome]] = {}
        self._bytes: Counter[str] = Counter()
        self._last: dict[str, Receipt] = {}
        self._answered_at: dict[str, float] = {}
        self._came_at: dict[str, float] = {}
        self._playing: dict[str, Callable[[], SourceCondition]] = {}
        self._on_new: Callable[[], None] = lambda: None

    @property
    def names(self) -> Set[str]:
        """The cameras that the cloud may offer: those that gave frames, and those that somebody named."""
        return self._outcomes.keys() | self._allowed | self.rules.names

    def knows(self, camera_id: str) -> bool:
        """Return whether the camera was taken before; any name may be posted."""
        return camera_id in self._outcomes

    def on_new(self, listener: Callable[[], None]) -> None:
        """Call `listener` whenever a camera comes that was not known before."""
        self._on_new = listener

    def check(self, camera_id: str) -> KnownCamera:
        """Return the camera, and remember it. Raises BadName, UnknownCamera, or Busy where there are too many."""
        is_named = camera_id in self.rules.names or camera_id in self._allowed
        if self._allowed and not is_named:
            # Asked also of a camera that was taken before: somebody may have removed it.
            raise UnknownCamera(checked_name("camera", camera_id), sorted(self._allowed | self.rules.names))
        if camera_id not in self._outcomes:
            checked_name("camera", camera_id)
            if not is_named and len(self._outcomes) >= self._most:
                raise Busy(
                    f"this edge has {self._most} cameras already; give the camera to another edge, or raise most_cameras"
                )
            self._outcomes[camera_id] = Counter()
            self._metrics.cameras.saw(camera_id)
            self._on_new()
        self._came_at[camera_id] = self._clock()
        return KnownCamera(camera_id)

    def seconds_since(self, camera_id: str) -> float:
        """Return how long ago a frame of the camera last came; infinity for none."""
        came_at = self._came_at.get(camera_id)
        return math.inf if came_at is None else self._clock() - came_at

    def forget(self, camera_id: str) -> None:
        """Forget a camera that has left, of which nothing is under way, with its series."""
        for known in (self._outcomes, self._bytes, self._last, self._answered_at, self._came_at):
            known.pop(camera_id, None)
        self._metrics.cameras.forget(camera_id)

    def note(self, receipt: Receipt) -> None:
        """Count an answered frame; a repeated post is counted apart, because its frame was counted before."""
        name = receipt.camera_id
        self._answered_at[name] = self._clock()
        if receipt.repeated_post:
            self._metrics.cameras.repeated(name)
            return
        self._outcomes[name][receipt.outcome] += 1
        self._metrics.cameras.answered(name, receipt.outcome)
        if receipt.outcome is Outcome.CODED:
            self._bytes[name] += receipt.coded_bytes
            if name not in self._last or self._last[name].sequence < receipt.sequence:
                self._last[name] = receipt

    @contextmanager
    def playing(self, camera_id: str, condition: Callable[[], SourceCondition]) -> Iterator[None]:
        """List the camera with its source's condition, within this context, whether or not it ever gives a frame."""
        self._playing[camera_id] = condition
        try:
            yield
        finally:
            # A changed source may have begun before the one that it replaces has ended.
            if self._playing.get(camera_id) is condition:
                del self._playing[camera_id]

    def counts(self) -> tuple[CameraCounts, ...]:
        """Return the counts of every camera that came, is played or is named by somebody, by name."""
        return tuple(self._counts(name) for name in sorted(self.names | self._playing.keys()))

    def _counts(self, name: str) -> CameraCounts:
        answered_at, condition = self._answered_at.get(name), self._playing.get(name)
        return CameraCounts(
            camera_id=name,
            outcomes=self._outcomes.get(name, Counter()),
            coded_bytes=self._bytes[name],
            last=self._last.get(name),
            answered_age_seconds=None if answered_at is None else self._clock() - answered_at,
            source=None if condition is None else condition(),
            sight=self._metrics.cameras.sights.of(name),
        )
