"""Lets removed cameras leave in order: forgotten with their series when nothing of theirs is under way any more.

    removed --> its frames are answered --> the cloud has acknowledged what is spooled --> counts and series are forgotten

Laws: a frame that was accepted is delivered, whether or not its camera is still there. A camera that goes on posting
has not left: it is taken like any other that nobody named.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Set

from edge_encoder.cameras.book import PlanBook
from edge_encoder.control.operating_points import OperatingPoints
from edge_encoder.ingest.admission import Admission
from edge_encoder.spool.spool import Spool
from shared.telemetry.logs import logger

GRACE_SECONDS = 1.0
"""What comes for so long after the removal was under way already: a post, or the last frame of a source that is stopped."""

log = logger("edge.cameras")


class Departures:
    """The cameras that are leaving. clock: seconds, monotonic, the same as that of `Cameras`."""

    def __init__(
        self,
        book: PlanBook,
        admission: Admission,
        points: OperatingPoints,
        spool: Spool,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._book = book
        self._admission = admission
        self._points = points
        self._spool = spool
        self._clock = clock
        self._left_at: dict[str, float] = {}
        book.on_change(self._note)

    @property
    def names(self) -> Set[str]:
        """The cameras that are leaving, and are listed no more."""
        return {name for name in self._left_at if not self._came_back(name)}

    def leave(self, camera_id: str) -> None:
        """Let a camera leave that nobody names."""
        self._left_at[camera_id] = self._clock()

    async def look(self) -> None:
        """Forget those of which nothing is under way."""
        for name in tuple(self._left_at):
            spooled = self._admission.holds(name) or await asyncio.to_thread(self._spool.holds, name)
            if name not in self._left_at:
                continue  # Somebody has named it again meanwhile.
            if self._came_back(name):
                del self._left_at[name]
            elif not spooled and not self._admission.holds(name):
                del self._left_at[name]
                self._admission.forget(name)
                self._points.forget(name)
                log.info("camera has left", camera=name)

    def _note(self, camera_id: str) -> None:
        if self._book.entry(camera_id) is None:
            self.leave(camera_id)
        else:
            self._left_at.pop(camera_id, None)

    def _came_back(self, camera_id: str) -> bool:
        seconds = self._admission.cameras.seconds_since(camera_id)
        return seconds < self._clock() - self._left_at[camera_id] - GRACE_SECONDS
