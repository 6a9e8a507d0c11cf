"""When the frames of a recording are shown, whatever its time stamps are.

    stamp of each decoded frame (or none) --Timeline--> seconds since the first one, which only rise

Stamps that start again, run backwards, repeat or are missing are those of unfinished files, joined files, raw H.264 and
H.265, and of cameras whose clock was set.
Laws: each frame has its own moment, later than the one before. Where the stamps go on as they should, the moments have
their distances.
"""

from __future__ import annotations

LONGEST_GAP_SECONDS = 10.0
"""A longer gap is a clock that jumped, and is closed; FFmpeg draws its line at the same place (dts_delta_threshold)."""
OTHER_CLOCK_SECONDS = 1.0
"""A stamp that is further than this from where it is expected belongs to another clock. Others only stand in disorder."""
LEAST_STEP_SECONDS = 1e-6
"""Stamps that are nearer to each other are the same."""


class Timeline:
    """The moments of one recording's frames. frame_seconds: how long a frame is usually shown.

    begin: the moment of the first frame, in seconds.
    """

    def __init__(self, frame_seconds: float, begin: float = 0.0) -> None:
        self._frame_seconds = frame_seconds
        self._longest_gap = max(LONGEST_GAP_SECONDS, 3 * frame_seconds)
        self._begin = begin
        self._last: float | None = None
        self._last_stamp: float | None = None
        self._offset: float | None = None

    def shown(self, stamp: float | None) -> float:
        """Return the moment of the next frame. stamp: its own time in seconds, None where it has none."""
        last = self._last
        if last is None:
            moment = self._begin
        elif stamp is None or self._offset is None:
            moment = last + self._frame_seconds
        else:
            moment = self._offset + stamp
            if not LEAST_STEP_SECONDS <= moment - last <= self._longest_gap:
                moment = self._instead(stamp, last, moment)
        if stamp is not None:
            self._offset = moment - stamp if self._offset is None else self._offset
            self._last_stamp = stamp
        self._last = moment
        return moment

    def end(self, duration: float) -> float:
        """Return the moment where the last frame is over. duration: what its recording says, in seconds, 0 for nothing."""
        if self._last is None:
            return self._begin
        return self._last + (duration if 0 < duration <= self._longest_gap else self._frame_seconds)

    def _instead(self, stamp: float, last: float, wrong: float) -> float:
        """Return the moment of a frame whose stamp gives a wrong one."""
        advance = stamp - (stamp if self._last_stamp is None else self._last_stamp)
        moment = last + (advance if LEAST_STEP_SECONDS <= advance < self._frame_seconds else self._frame_seconds)
        if abs(moment - wrong) > OTHER_CLOCK_SECONDS:
            self._offset = moment - stamp
        return moment
