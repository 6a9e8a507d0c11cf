"""Live video: network cameras and webcams, whose frames are due when they come.

    rtsp://, http(s)://, webcam:DEVICE --decode--> frames --thin to `fps`--> Reading that is due now

Law: with `loop`, a source that breaks is opened again, with longer and longer pauses, for as long as it is wanted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from shared.errors import NoVideoPackage, SourceError
from shared.sources.decoding import Input, frame_seconds, frames_of, opened, picture_of
from shared.sources.playing import Reading, Source
from shared.sources.thinning import Thinning
from shared.telemetry.logs import logger

log = logger("sources.video")

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
WEBCAM = "webcam:"
RTSP = ("rtsp://", "rtsps://")


class LiveSource(Source):
    """A stream or webcam. fps: at most so many frames a second are taken; None takes all."""

    def __init__(self, spec: str, fps: float | None, loop: bool) -> None:
        super().__init__(spec)
        self._input = input_of(spec)
        self._loop = loop
        self._thinning = Thinning(fps)

    def read(self) -> Iterator[Reading]:
        """Give frames until the end, or with `loop` until the source is stopped; raises SourceError."""
        pause = FIRST_PAUSE_SECONDS
        while not self.stopping.is_set():
            try:
                for reading in self._connection():
                    pause = FIRST_PAUSE_SECONDS
                    yield reading
                if not self._loop:
                    return
            except NoVideoPackage:
                raise
            except SourceError as error:
                if not self._loop:
                    raise
                self.status.broke(error)
                log.warning("source broke", source=self.name, reason=error.reason, again_in_seconds=pause)
            self.stopping.wait(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _connection(self) -> Iterator[Reading]:
        """Connect once and give what comes."""
        with opened(self, self._input) as container:
            step = frame_seconds(container.streams.video[0])
            for frame in frames_of(self, container):
                if self._thinning.takes(time.monotonic(), step):
                    yield Reading(picture_of(frame), None, time.time_ns() // 1000)


def input_of(spec: str) -> Input:
    """Return what PyAV opens for a stream's address or `webcam:DEVICE`."""
    if spec.startswith(WEBCAM):
        return Input(spec.removeprefix(WEBCAM), format="v4l2")
    if spec.startswith(RTSP):
        # UDP loses packets on every wireless camera; a picture with holes costs more than the delay of TCP.
        return Input(spec, options={"rtsp_transport": "tcp"})
    return Input(spec)
