"""Small video files, written by PyAV, whose frames can be told apart."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT, CLIP_FPS = 64, 48, 25
CODES = 11
TICKS = Fraction(1, 1000)


def code_of(index: int) -> int:
    """The grey of frame `index`; eleven follow each other, far enough apart for a lossy codec."""
    return 20 + 20 * (index % CODES)


def index_of(picture: object) -> int:
    """Which of eleven frames a decoded picture is."""
    assert isinstance(picture, np.ndarray)
    return round((float(np.mean(picture)) - 20) / 20)


def write_clip(
    path: Path,
    frames: int,
    *,
    codec: str = "mpeg4",
    format: str | None = None,
    rate: int = CLIP_FPS,
    seconds: Sequence[float] | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write a clip of grey frames. seconds: when each is shown; left out, `rate` a second. options: the container's."""
    with av.open(str(path), "w", format=format, options=options or {}) as container:
        stream: Any = container.add_stream(codec, rate=rate)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        if seconds is not None:
            stream.codec_context.time_base = TICKS
        for index in range(frames):
            frame = av.VideoFrame.from_ndarray(_grey(code_of(index)), format="rgb24")
            if seconds is not None:
                frame.pts, frame.time_base = round(seconds[index] / TICKS), TICKS
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _grey(value: int) -> NDArray[np.uint8]:
    return np.full((HEIGHT, WIDTH, 3), value, np.uint8)
