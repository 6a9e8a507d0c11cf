"""Sources that are pulled instead of posted: folders of pictures, videos, network cameras, webcams.

    with open_source("samples/kitchen", fps=2, loop=True) as source:
        async for frame in play(source):
            ...

    FOLDER or PICTURE                         -> FolderSource
    VIDEO, rtsp://, http(s)://, webcam:DEVICE -> VideoSource (the extra `video`)

`taxon camera` and the edge's own sources are these.
"""

from __future__ import annotations

import itertools
import math
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from shared.contract.geometry import SourceFrame
from shared.errors import SourceError
from shared.sources.playing import Reading, Source, play
from shared.sources.video import NETWORK, WEBCAM, VideoSource

__all__ = ["Source", "SourceFrame", "open_source", "play"]

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
DEFAULT_FPS = 10.0
LARGEST_PICTURE_BYTES = 256 << 20


def is_picture(path: Path) -> bool:
    """Return True where the name is that of a picture."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def pictures_of(path: Path) -> list[Path]:
    """Return the picture files of a folder by name, or the one file; raises SourceError where there are none."""
    if not path.is_dir():
        return [path]
    try:
        found = sorted(file for file in path.iterdir() if is_picture(file) and file.is_file())
    except OSError as error:
        raise SourceError(str(path), f"cannot be read ({error.strerror})") from error
    if not found:
        raise SourceError(str(path), f"there are no pictures in this folder ({', '.join(PICTURE_SUFFIXES)})")
    return found


class FolderSource(Source):
    """Picture files, one after the other, `fps` a second; with `loop` again and again.

    Law: the files' bytes are passed on as they are; nothing is decoded here.
    """

    def __init__(self, name: str, files: Sequence[Path], fps: float, loop: bool) -> None:
        super().__init__(name)
        self._files = tuple(files)
        self._fps = fps
        self._loop = loop

    def read(self) -> Iterator[Reading]:
        """Give the files' bytes; raises SourceError for one that cannot be read."""
        files = itertools.cycle(self._files) if self._loop else iter(self._files)
        for index, file in enumerate(files):
            yield Reading(_content(file), index / self._fps, time.time_ns() // 1000)


def _content(file: Path) -> bytes:
    try:
        if file.stat().st_size > LARGEST_PICTURE_BYTES:
            raise SourceError(str(file), f"has more than {LARGEST_PICTURE_BYTES >> 20} MiB; scale the picture down")
        return file.read_bytes()
    except OSError as error:
        raise SourceError(str(file), f"cannot be read ({error.strerror})") from error


def open_source(spec: str, *, fps: float | None = None, loop: bool = False) -> Source:
    """Return the source that `spec` names; raises SourceError for what cannot be one.

    fps: the rate at which a folder is played (default 10). Of a video or live camera, which keeps its own time, at most
    so many frames a second are taken (default: all). loop: the source begins again at its end, and a live source is
    opened again when it breaks. A stream or device is connected to when it is played, not here.
    """
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise SourceError(spec, f"{fps} frames a second cannot be")
    if spec.startswith((WEBCAM, *NETWORK)):
        return VideoSource(spec, fps, loop)
    path = Path(spec)
    if not path.exists():
        raise SourceError(
            spec, "is not there; name a folder, a video, rtsp:// or http:// of a camera, or webcam:/dev/video0"
        )
    if path.is_dir() or is_picture(path):
        return FolderSource(spec, pictures_of(path), fps or DEFAULT_FPS, loop)
    return VideoSource(spec, fps, loop)
