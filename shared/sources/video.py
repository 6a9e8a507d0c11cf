"""Videos and live cameras as a source, decoded by PyAV (the extra `video`).

    file, rtsp://, http(s)://, webcam:DEVICE --demux--> packets --decode--> upright RGB --> Reading

A recording keeps its own time; a live source's frames are due when they come.
Laws: what is damaged is counted and skipped. With `loop`, a live source that breaks is opened again for as long as it
is wanted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from shared.errors import NoVideoPackage, SourceError
from shared.sources.playing import Reading, Source
from shared.telemetry.logs import logger

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

log = logger("sources.video")

OPEN_SECONDS, READ_SECONDS = 10.0, 10.0
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 1.0, 30.0
WEBCAM = "webcam:"
NETWORK = ("rtsp://", "rtsps://", "http://", "https://")
FALLBACK_FPS = 25.0
"""The rate of a video that does not say its own; only the pause between two rounds of it depends on this."""


class VideoSource(Source):
    """A video file, stream or webcam. fps: at most so many frames a second are taken; None takes all."""

    def __init__(self, spec: str, fps: float | None, loop: bool) -> None:
        super().__init__(spec)
        self._loop = loop
        self._remote = spec.startswith((WEBCAM, *NETWORK))
        self._least_step = 0.0 if fps is None else 1.0 / fps
        self._next_taken = float("-inf")

    def read(self) -> Iterator[Reading]:
        """Give frames until the end, or with `loop` until the source is stopped; raises SourceError."""
        offset, pause = 0.0, FIRST_PAUSE_SECONDS
        while not self.stopping.is_set():
            live = False
            try:
                for reading, end in self._round(offset):
                    live, pause = reading.due_seconds is None, FIRST_PAUSE_SECONDS
                    yield reading
                    offset = end
                if not self._loop:
                    return
            except NoVideoPackage:
                raise
            except SourceError as error:
                if not (self._loop and self._remote):
                    raise
                live = True
                log.warning("source broke", source=self.name, reason=error.reason, again_in_seconds=pause)
            if live:
                self.stopping.wait(pause)
                pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    def _round(self, offset: float) -> Iterator[tuple[Reading, float]]:
        """Play once through: give each reading, and the moment where the next round would begin.

        offset: the moment where this round begins, in seconds.
        """
        with _opened(self.name) as container:
            stream = container.streams.video[0]
            # Several cores for one camera's decoder would be taken from the networks.
            stream.codec_context.thread_count = 1
            live = container.duration is None
            step = 1.0 / float(stream.average_rate or FALLBACK_FPS)
            begin, seen = None, 0
            for frame in self._frames(container, stream):
                shown = time.monotonic() if live or frame.time is None else frame.time
                begin = shown if begin is None else begin
                due = offset + max(0.0, shown - begin)
                seen += 1
                if self._is_taken(shown if live else due, step):
                    picture = _upright(frame)
                    yield Reading(picture, None if live else due, time.time_ns() // 1000), due + step
            if not seen:
                raise SourceError(self.name, "there is no picture in it that can be decoded")

    def _is_taken(self, moment: float, step: float) -> bool:
        """Thin to `fps` without drifting.

        moment: seconds of the video's clock or, for a live source, of the machine's.
        """
        # Half a frame early is on time: the grid of the video and the wanted one need not meet.
        if moment < self._next_taken - step / 2:
            return False
        late = moment - self._next_taken > self._least_step
        self._next_taken = (moment if late else self._next_taken) + self._least_step
        return True

    def _frames(self, container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
        av = _av(self.name)
        try:
            for packet in container.demux(stream):
                if self.stopping.is_set():
                    return
                try:
                    frames = packet.decode()
                except av.error.InvalidDataError:
                    self.damaged += 1
                    continue
                yield from frames
        except av.FFmpegError as error:
            raise SourceError(self.name, f"broke off ({error.strerror})") from error


@contextmanager
def _opened(spec: str) -> Iterator[InputContainer]:
    av = _av(spec)
    file, kind, options = spec, None, {}
    if spec.startswith(WEBCAM):
        file, kind = spec.removeprefix(WEBCAM), "v4l2"
    elif spec.startswith(("rtsp://", "rtsps://")):
        # UDP loses packets on every wireless camera; a picture with holes costs more than the delay of TCP.
        options = {"rtsp_transport": "tcp"}
    try:
        container = av.open(file, "r", format=kind, options=options, timeout=(OPEN_SECONDS, READ_SECONDS))
    except (av.FFmpegError, OSError, ValueError) as error:
        raise SourceError(spec, f"cannot be opened ({getattr(error, 'strerror', None) or error})") from error
    with container:
        if not container.streams.video:
            raise SourceError(spec, "there is no video in it")
        yield container


def _av(spec: str) -> Any:
    """Import PyAV on demand, since folders need none of it; raises NoVideoPackage."""
    try:
        import av
    except ModuleNotFoundError as error:
        raise NoVideoPackage(spec) from error
    return av


def _upright(frame: VideoFrame) -> NDArray[np.uint8]:
    """Return RGB, turned as the recording's rotation says (degrees counter-clockwise)."""
    pixels: NDArray[np.uint8] = frame.to_ndarray(format="rgb24").astype(np.uint8, copy=False)
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90) % 4))
