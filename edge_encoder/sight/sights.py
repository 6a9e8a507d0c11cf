"""What each camera sees, by its pictures: clear, frozen, black, white or covered.

    Look --of one picture: none of them, or black, white, covered; still, where hardly a sample has changed-->
         --held for seconds and frames--> the camera's sight

Laws: a sight changes only after the new one was there without a break for a while, so that it does not flap. It takes
more to be called blind than to remain so. No frame is refused for it. What is forgotten leaves nothing behind.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from edge_encoder.sight.look import Look, look_at
from shared.telemetry.logs import Throttle, logger

STILL_SHARE = 0.02
"""A picture in which at most so many samples differ from an earlier one is the same picture: noise changes more."""
LITTLE_DETAIL, SOME_DETAIL = 0.004, 0.01
"""The share of edges below which a picture shows nothing, and the one above which it shows something again."""
BLACK_LEVEL, DARK_LEVEL = 40, 48
WHITE_LEVEL, LIGHT_LEVEL = 250, 240
LOG_SECONDS = 60.0

log = logger("edge.sight")


class Sight(StrEnum):
    """What a camera sees; also the label of the gauge and the word in `/v1/cameras`.

    CLEAR: something, and it changes. FROZEN: the same picture again and again, without a sensor's noise. BLACK: no
    light. WHITE: most of it is overexposed. COVERED: some light, but no form.
    """

    CLEAR = "clear"
    FROZEN = "frozen"
    BLACK = "black"
    WHITE = "white"
    COVERED = "covered"


@dataclass(frozen=True)
class Hold:
    """For how long, and in how many frames, a sight must be there without a break before it counts."""

    seconds: float
    frames: int


BLIND = Hold(10.0, 5)
HOLDS: Mapping[Sight, Hold] = {
    Sight.CLEAR: Hold(5.0, 3),
    Sight.FROZEN: Hold(30.0, 10),
    Sight.BLACK: BLIND,
    Sight.WHITE: BLIND,
    Sight.COVERED: BLIND,
}


@dataclass(frozen=True)
class CameraSight:
    """What a camera sees, and for how long it has been so."""

    sight: Sight
    seconds: float


def sight_of(look: Look, before: Sight) -> Sight:
    """Return what one picture alone shows: BLACK, WHITE, COVERED or CLEAR. before: what its camera saw until now."""
    is_blind = before in (Sight.BLACK, Sight.WHITE, Sight.COVERED)
    if look.dark >= (LIGHT_LEVEL if before is Sight.WHITE else WHITE_LEVEL):
        return Sight.WHITE
    if look.detail >= (SOME_DETAIL if is_blind else LITTLE_DETAIL):
        return Sight.CLEAR
    return Sight.BLACK if look.bright <= (DARK_LEVEL if before is Sight.BLACK else BLACK_LEVEL) else Sight.COVERED


class _Watched:
    """One camera's sight, and the other one that its latest pictures speak for."""

    def __init__(self, now: float) -> None:
        self.sight = self._other = Sight.CLEAR
        self.since = self._other_since = now
        self._other_frames = 0
        self._reference: Look | None = None
        self.throttle = Throttle(LOG_SECONDS)

    def see(self, look: Look, now: float) -> bool:
        """Take one more picture; return whether the sight is another one now."""
        found = sight_of(look, self.sight)
        is_still = self._reference is not None and look.changed_since(self._reference) <= STILL_SHARE
        if not is_still:
            # All pictures of a still are compared with its first one, so that a slow change is a change.
            self._reference = look
        if is_still and found is Sight.CLEAR:
            found = Sight.FROZEN
        if found is not self._other:
            self._other, self._other_since, self._other_frames = found, now, 0
        self._other_frames += 1
        hold = HOLDS[found]
        if found is self.sight or self._other_frames < hold.frames or now - self._other_since < hold.seconds:
            return False
        self.sight, self.since = found, now
        return True


class Sights:
    """The sights of all cameras. clock: seconds, monotonic. Every method may be called in any thread."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._cameras: dict[str, _Watched] = {}

    def see(self, camera_id: str, pixels: NDArray[np.uint8]) -> None:
        """Look at a camera's next picture, upright RGB [H, W, 3]."""
        look, now = look_at(pixels), self._clock()
        with self._lock:
            watched = self._cameras.setdefault(camera_id, _Watched(now))
            is_told = watched.see(look, now) and watched.throttle.due()
            sight = watched.sight
        if is_told and sight is Sight.CLEAR:
            log.info("camera sees again", camera=camera_id)
        elif is_told:
            log.warning("camera sees nothing, or always the same", camera=camera_id, sight=sight)

    def of(self, camera_id: str) -> CameraSight | None:
        """Return what the camera sees; None where none of its pictures was looked at."""
        with self._lock:
            watched = self._cameras.get(camera_id)
            return None if watched is None else CameraSight(watched.sight, self._clock() - watched.since)

    def forget(self, camera_id: str) -> None:
        """Let go of what is known of a camera."""
        with self._lock:
            self._cameras.pop(camera_id, None)
