"""Recordings: files with video, played at their own rate.

    file --decode--> frames with the file's own times --thin to `fps`--> Reading with the moment when it is due

Laws: a recording's frames wait for whoever takes them. With `loop` it begins again at its end.
"""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator

from shared.sources.decoding import Input, frame_seconds, frames_of, opened, picture_of
from shared.sources.playing import Reading, Source
from shared.sources.thinning import Thinning


class RecordingSource(Source):
    """A file with video. fps: at most so many of its frames a second are taken; None takes all."""

    def __init__(self, name: str, what: Input, fps: float | None, loop: bool) -> None:
        super().__init__(name)
        self._input = what
        self._loop = loop
        self._thinning = Thinning(fps)

    def read(self) -> Iterator[Reading]:
        """Give frames until the end, or with `loop` until the source is stopped; raises SourceError."""
        begin = 0.0
        while not self.stopping.is_set():
            begin = yield from self._round(begin)
            if not self._loop:
                return

    def _round(self, begin: float) -> Generator[Reading, None, float]:
        """Play once through, and return the moment where the next round begins.

        begin: the moment where this round begins, in seconds.
        """
        with opened(self, self._input) as container:
            step = frame_seconds(container.streams.video[0])
            first, end = None, begin
            for frame in frames_of(self, container):
                shown = end - begin if frame.time is None else frame.time
                first = shown if first is None else first
                due = begin + max(0.0, shown - first)
                end = due + step
                if self._thinning.takes(due, step):
                    yield Reading(picture_of(frame), due, time.time_ns() // 1000)
        return end
