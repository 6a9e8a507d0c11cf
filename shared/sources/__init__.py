"""Sources that are pulled instead of posted: folders of pictures, videos, network cameras, webcams.

    with open_source("samples/kitchen", fps=2, loop=True) as source:
        async for frame in play(source):
            ...

    FOLDER or PICTURE                  -> FolderSource
    FILE with video                    -> RecordingSource (the extra `video`)
    rtsp://, http(s)://, webcam:DEVICE -> LiveSource (the extra `video`)

`taxon camera` and the edge's own sources are these.
"""

from __future__ import annotations

import math
from pathlib import Path

from shared.contract.geometry import SourceFrame
from shared.errors import SourceError
from shared.sources.folder import FolderSource, is_picture, pictures_of
from shared.sources.live import RTSP, WEBCAM, LiveSource
from shared.sources.playing import Source, play
from shared.sources.recording import RecordingSource

__all__ = ["Source", "SourceFrame", "open_source", "play"]

DEFAULT_FPS = 10.0
HTTP = ("http://", "https://")


def open_source(spec: str, *, fps: float | None = None, loop: bool = False) -> Source:
    """Return the source that `spec` names; raises SourceError for what cannot be one.

    fps: the rate at which a folder is played (default 10). Of a video or live camera, which keeps its own time, at most
    so many frames a second are taken (default: all). loop: the source begins again at its end, and a live source is
    opened again when it breaks. A stream or device is connected to when it is played, not here.
    """
    if fps is not None and not (math.isfinite(fps) and fps > 0):
        raise SourceError(spec, f"{fps} frames a second cannot be")
    if spec.startswith((WEBCAM, *RTSP, *HTTP)):
        return LiveSource(spec, fps, loop)
    path = Path(spec)
    if not path.exists():
        raise SourceError(
            spec, "is not there; name a folder, a video, rtsp:// or http:// of a camera, or webcam:/dev/video0"
        )
    if path.is_char_device():
        raise SourceError(spec, f"is a device; for a camera write webcam:{spec}")
    if path.is_dir() or is_picture(path):
        return FolderSource(spec, pictures_of(path), fps or DEFAULT_FPS, loop)
    return RecordingSource(spec, spec, fps, loop)
