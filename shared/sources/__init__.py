"""Sources that are pulled instead of posted: folders of pictures, videos, network cameras, webcams.

    with open_source("samples/kitchen", fps=2, loop=True) as source:
        async for frame in play(source):
            ...

    FOLDER or PICTURE                  -> FolderSource
    watch:FOLDER                       -> WatchedFolder: what comes into it
    FILE with video, named PIPE        -> RecordingSource (the extra `video`)
    rtsp://, webcam:DEVICE             -> LiveSource (the extra `video`)
    http(s)://                         -> WebSource: pictures, or one of the two above

`taxon camera` and the edge's own sources are these.
"""

from __future__ import annotations

import math
from pathlib import Path

from shared.contract.geometry import SourceFrame
from shared.errors import SourceError
from shared.sources.decoding import Input
from shared.sources.folders.pictures import is_picture
from shared.sources.folders.played import FolderSource
from shared.sources.folders.watched import WatchedFolder
from shared.sources.live import LiveSource, is_live
from shared.sources.playing import Source, play
from shared.sources.recording import RecordingSource
from shared.sources.reopening import ReopenedSource
from shared.sources.web.source import WebSource, is_web_address
from shared.telemetry.redaction import redacted

__all__ = ["WATCH", "Source", "SourceFrame", "lasting_source", "open_source", "play"]

DEFAULT_FPS = 10.0
WATCH = "watch:"


def open_source(spec: str, *, fps: float | None = None, loop: bool = False, memory: Path | None = None) -> Source:
    """Return the source that `spec` names; raises SourceError for what cannot be one.

    fps: the rate at which a folder is played (default 10), and a picture URL asked (default 1). Of a video or live
    camera, which keeps its own time, at most so many frames a second are taken (default: all). loop: the source begins
    again at its end, and a live source is opened again when it breaks. memory: the file in which a watched folder keeps
    what it has given. A stream or device is connected to when it is played, not here.
    """
    one = _one_source(spec, fps, loop, memory)
    return ReopenedSource(spec, lambda: one, is_alone=True) if loop and one.is_live else one


def lasting_source(spec: str, *, fps: float | None = None, loop: bool = False, memory: Path | None = None) -> Source:
    """Return the source that `spec` names, which is opened again whenever it breaks, or once it is there.

    It ends where a recording or folder ends that is not to `loop`. Its `status` says what becomes of it.
    """
    return ReopenedSource(spec, lambda: _one_source(spec, fps, loop, memory), is_alone=False)


def _one_source(spec: str, fps: float | None, loop: bool, memory: Path | None) -> Source:
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise SourceError(redacted(spec), f"{fps} frames a second cannot be")
    if is_web_address(spec):
        return WebSource(spec, fps, loop)
    if is_live(spec):
        return LiveSource(spec, fps)
    if spec.startswith(WATCH):
        return WatchedFolder(spec, Path(spec.removeprefix(WATCH)), fps or DEFAULT_FPS, memory)
    path = Path(spec)
    if not path.exists():
        raise SourceError(
            redacted(spec),
            "is not there; name a folder, watch:FOLDER, a video, rtsp:// or http:// of a camera, or webcam:/dev/video0",
        )
    if path.is_char_device():
        raise SourceError(spec, f"is a device; for a camera write webcam:{spec}")
    if path.is_dir() or is_picture(path.name):
        return FolderSource(spec, path, fps or DEFAULT_FPS, loop)
    return RecordingSource(spec, Input(spec), fps, loop)
