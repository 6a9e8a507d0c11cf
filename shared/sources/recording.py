"""Recordings: files with video, played at their own rate.

    file --decode--> frames --Timeline--> moments --thin to `fps`--> Reading with the moment when it is due

Whether a file says how long it is does not matter: a browser's WebM, an unfinished MKV and raw H.264 do not.
Laws: a recording's frames wait for whoever takes them; every frame that is due is taken, once. With `loop` it begins
again at its end, and its frames are due as if it were one long recording.
"""

from __future__ import annotations

import math
import time
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from shared.sources.decoding import Input, frame_seconds, frames_of, opened, picture_of
from shared.sources.piped import PipeReader, is_pipe
from shared.sources.playing import Reading, Source
from shared.sources.thinning import Thinning
from shared.sources.timeline import Timeline

if TYPE_CHECKING:
    from av.container import InputContainer


class RecordingSource(Source):
    """A recording: a file, the file of a server, or a pipe. fps: at most so many frames a second are taken; None takes all."""

    def __init__(self, name: str, what: Input, fps: float | None, loop: bool) -> None:
        super().__init__(name)
        self._input = what
        self._pipe = what.file if isinstance(what.file, str) and is_pipe(Path(what.file)) else None
        self._loop = loop
        self._thinning = Thinning(fps)
        self._frame_seconds = 0.0

    def read(self) -> Iterator[Reading]:
        """Give frames until the end, or with `loop` until the source is stopped; raises SourceError."""
        begin = 0.0
        while not self.stopping.is_set():
            end = yield from self._round(begin)
            if not self._loop:
                return
            begin = end + self._rounds_without_frames(end, end - begin) * (end - begin)

    def _round(self, begin: float) -> Generator[Reading, None, float]:
        """Play once through, and return the moment where the next round begins.

        begin: the moment where this round begins, in seconds.
        """
        with self._container() as container:
            step = self._frame_seconds = frame_seconds(container.streams.video[0])
            timeline, last, before, duration = Timeline(step, begin), begin - step, step, 0.0
            for frame in frames_of(self, container):
                moment = timeline.shown(frame.time)
                distance = moment - last
                if self._thinning.takes(moment, max(distance, before)):
                    yield Reading(picture_of(frame), moment, time.time_ns() // 1000)
                last, before = moment, distance
                duration = float(frame.duration * frame.time_base) if frame.duration and frame.time_base else 0.0
        return timeline.end(duration)

    @contextmanager
    def _container(self) -> Iterator[InputContainer]:
        if self._pipe is None:
            with opened(self, self._input) as container:
                yield container
        else:
            with PipeReader(self._pipe, self.stopping) as pipe, opened(self, Input(pipe)) as container:
                yield container

    def _rounds_without_frames(self, begin: float, round_seconds: float) -> int:
        """Return how many whole rounds from `begin` on have no frame that is wanted; they need not be decoded."""
        if round_seconds <= 0 or self._pipe is not None:
            return 0
        # The last frame of a round is wanted where it is nearer than the first one of the next.
        wanted = self._thinning.next_due + self._frame_seconds / 2
        return max(0, math.floor((wanted - begin) / round_seconds - 1e-9)) if math.isfinite(wanted) else 0
