"""What recordings and live video share: a container that PyAV (the extra `video`) opens, and its frames.

    file, address or device --opened--> container --demux--> packets --decode--> frames --picture_of--> upright RGB

Law: what is damaged is counted and skipped.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from shared.errors import NoVideoPackage, SourceError
from shared.sources.playing import Source

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

OPEN_SECONDS, READ_SECONDS = 10.0, 10.0
FALLBACK_FPS = 25.0
"""The rate of a video that does not say its own."""
HIGHEST_FPS = 240.0
"""A higher rate is a container's clock and not its video's."""
HD_WIDTH, HD_HEIGHT = 1280, 720
UNTAGGED = 2
"""AVCOL_SPC_UNSPECIFIED: the video does not say how its colours are written."""


class Readable(Protocol):
    """A stream of bytes."""

    def read(self, size: int) -> bytes:
        """Return at most so many bytes, none at the end."""


@dataclass(frozen=True)
class Input:
    """What PyAV opens. format: FFmpeg's name of the container or device; None for what it finds itself."""

    file: str | Readable
    format: str | None = None
    options: Mapping[str, str] = field(default_factory=dict)


@contextmanager
def opened(source: Source, what: Input) -> Iterator[InputContainer]:
    """Open a source's container; raises SourceError where there is no video, and NoVideoPackage."""
    av = av_for(source.name)
    try:
        container = av.open(
            what.file, "r", format=what.format, options=dict(what.options), timeout=(OPEN_SECONDS, READ_SECONDS)
        )
    except (av.FFmpegError, OSError, ValueError) as error:
        raise SourceError(source.name, f"cannot be opened ({getattr(error, 'strerror', None) or error})") from error
    with container:
        if not container.streams.video:
            raise SourceError(source.name, "there is no video in it")
        # Several cores for one camera's decoder would be taken from the networks.
        container.streams.video[0].codec_context.thread_count = 1
        yield container


def frames_of(source: Source, container: InputContainer) -> Iterator[VideoFrame]:
    """Give the frames of the first video stream; raises SourceError where it breaks off, or has not one frame."""
    av = av_for(source.name)
    seen = False
    try:
        for packet in container.demux(container.streams.video[0]):
            if source.stopping.is_set():
                return
            try:
                frames = packet.decode()
            except av.error.InvalidDataError:
                source.status.damaged()
                continue
            for frame in frames:
                seen = True
                yield frame
    except av.FFmpegError as error:
        raise SourceError(source.name, f"broke off ({error.strerror})") from error
    if not seen:
        raise SourceError(source.name, "there is no picture in it that can be decoded")


def frame_seconds(stream: VideoStream) -> float:
    """Return how long a frame of the stream is usually shown, as far as the stream says so."""
    # FFmpeg's guess knows the rate that raw H.264 and H.265 carry inside; their average is always 25.
    fps = float(stream.guessed_rate or stream.average_rate or FALLBACK_FPS)
    return 1.0 / (fps if 0 < fps <= HIGHEST_FPS else FALLBACK_FPS)


def picture_of(frame: VideoFrame) -> NDArray[np.uint8]:
    """Return RGB, turned as the recording's rotation says (degrees counter-clockwise).

    Colours are read as their tag says. Without one, HD is BT.709 and the rest BT.601, as every player takes them.
    """
    is_hd = frame.height >= HD_HEIGHT or frame.width >= HD_WIDTH
    space = "ITU709" if frame.colorspace == UNTAGGED and is_hd else None
    pixels: NDArray[np.uint8] = frame.to_ndarray(format="rgb24", src_colorspace=space).astype(np.uint8, copy=False)
    return np.ascontiguousarray(np.rot90(pixels, round(frame.rotation / 90) % 4))


def av_for(name: str) -> Any:
    """Import PyAV on demand, since folders need none of it; raises NoVideoPackage."""
    try:
        import av
    except ModuleNotFoundError as error:
        raise NoVideoPackage(name) from error
    return av
