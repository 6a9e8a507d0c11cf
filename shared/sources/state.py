"""The state of a source: written by its reading thread, read by `taxon camera` and by the edge's player.

    opened --> connecting --frame--> live --no frame for long--> stalled
                    |                  |                            |
                    +---- SourceError -+----------------------------+--> refused, gone or stalled --frame--> live

Laws: only a frame makes a source live. A source that is opened again keeps the state of its last error until then.
Whoever catches a SourceError tells it to the status, once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum

from shared.errors import NoVideoPackage, SourceError, SourceRefused, SourceStalled

LEAST_STALL_SECONDS = 5.0
LONGEST_LEARNED_STALL_SECONDS = 60.0
STALL_INTERVALS = 5.0
"""A source is stalled when so many of its usual intervals have passed without a frame."""
INTERVAL_DECAY = 0.95
"""The share of the longest interval that is still expected one frame later."""


class SourceState(StrEnum):
    """The state of a source; also the label of the gauge and the word in `/v1/cameras`.

    CONNECTING: no frame and no error yet. LIVE: frames come. STALLED: connected, but no frame for too long.
    REFUSED: somebody answered, and gave no pictures (a password, a path, a page). GONE: nothing is there that answers.
    """

    CONNECTING = "connecting"
    LIVE = "live"
    STALLED = "stalled"
    REFUSED = "refused"
    GONE = "gone"


def state_of(error: SourceError) -> SourceState:
    """Return the state that an error stands for."""
    if isinstance(error, SourceStalled):
        return SourceState.STALLED
    if isinstance(error, SourceRefused | NoVideoPackage):
        return SourceState.REFUSED
    return SourceState.GONE


@dataclass(frozen=True)
class SourceCondition:
    """What is known of a source at one moment.

    state_seconds: for how long it has had its state. error: the reason of its last break, "" before the first.
    frames: frames that were read. frame_age_seconds: the age of the last one, None before the first.
    breaks: errors and stalls. damaged: packets or files that gave no picture. superseded: frames of a live source that
    a newer one replaced before they were taken. The numbers never fall.
    """

    state: SourceState
    state_seconds: float
    error: str
    frames: int
    frame_age_seconds: float | None
    breaks: int
    damaged: int
    superseded: int


class SourceStatus:
    """The book of one source, over all its reconnects. clock: seconds, monotonic. Every method may be called in any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._state = SourceState.CONNECTING
        self._since = self._waited_since = clock()
        self._last_frame: float | None = None
        self._is_handing_over = self._is_watched = False
        self._given_interval = self._learned_interval = 0.0
        self._error = ""
        self._frames = self._breaks = self._damaged = self._superseded = 0

    def expect(self, interval_seconds: float) -> None:
        """Take frames of this source for no more frequent than this, when it is judged whether it has stalled."""
        with self._lock:
            self._given_interval = interval_seconds

    def frame(self) -> None:
        """Note that a frame was read."""
        with self._lock:
            now = self._clock()
            if self._last_frame is not None:
                gap = min(now - self._waited_since, self._stall_seconds())
                self._learned_interval = max(gap, INTERVAL_DECAY * self._learned_interval)
            self._frames += 1
            self._last_frame = self._waited_since = now
            self._turn(SourceState.LIVE, now)

    @contextmanager
    def handing_over(self) -> Iterator[None]:
        """Do not count the time of this context, in which a frame waits for its taker, as a stall of the source."""
        with self._lock:
            self._is_handing_over = True
        try:
            yield
        finally:
            with self._lock:
                self._is_handing_over = False
                self._waited_since = self._clock()

    def broke(self, error: SourceError) -> None:
        """Note an error that ended the reading, or an attempt at it."""
        with self._lock:
            state = state_of(error)
            # The stall was noticed and counted before the source itself gave up waiting.
            known = state is SourceState.STALLED and self._state is SourceState.STALLED and self._is_watched
            self._breaks += 0 if known else 1
            self._error = error.reason
            self._turn(state, self._clock(), is_watched=False)

    def damaged(self, packets: int = 1) -> None:
        """Count packets or files that gave no picture."""
        with self._lock:
            self._damaged += packets

    def superseded(self, frames: int) -> None:
        """Count frames that a newer one replaced."""
        with self._lock:
            self._superseded += frames

    def condition(self) -> SourceCondition:
        """Return what is known now; a stall is noticed here."""
        with self._lock:
            now = self._clock()
            waited = now - self._waited_since
            if self._state is SourceState.LIVE and not self._is_handing_over and waited > self._stall_seconds():
                self._breaks += 1
                self._error = f"stalled: it is connected, but gave no frame for {waited:.0f} s"
                self._turn(SourceState.STALLED, now, is_watched=True)
            return SourceCondition(
                state=self._state,
                state_seconds=now - self._since,
                error=self._error,
                frames=self._frames,
                frame_age_seconds=None if self._last_frame is None else now - self._last_frame,
                breaks=self._breaks,
                damaged=self._damaged,
                superseded=self._superseded,
            )

    def _stall_seconds(self) -> float:
        learned = min(LONGEST_LEARNED_STALL_SECONDS, STALL_INTERVALS * self._learned_interval)
        return max(LEAST_STALL_SECONDS, STALL_INTERVALS * self._given_interval, learned)

    def _turn(self, state: SourceState, now: float, is_watched: bool = False) -> None:
        if state is not self._state:
            self._state, self._since = state, now
        self._is_watched = is_watched
