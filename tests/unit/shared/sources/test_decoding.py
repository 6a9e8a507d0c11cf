"""The colours of a video: as its tag says; without one, HD as BT.709 and the rest as BT.601."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from shared.sources import open_source

COLOUR = (200, 40, 60)
BT709, BT601, UNTAGGED = 1, 5, 2
MATRICES = {BT709: "ITU709", BT601: "ITU601"}


def write_colour(path: Path, size: tuple[int, int], written_as: int, tag: int, codec: str = "libx264") -> None:
    width, height = size
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream(codec, rate=5)
        stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
        stream.codec_context.colorspace = tag
        pixels = np.full((height, width, 3), COLOUR, np.uint8)
        frame = av.VideoFrame.from_ndarray(pixels, format="rgb24").reformat(
            format="yuv420p", dst_colorspace=MATRICES[written_as]
        )
        frame.colorspace, frame.pts = tag, None
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


@pytest.mark.parametrize(
    ("size", "written_as", "tag"),
    [
        ((1280, 720), BT709, UNTAGGED),
        ((1920, 1080), BT709, UNTAGGED),
        ((720, 1280), BT709, UNTAGGED),
        ((1280, 544), BT709, UNTAGGED),
        ((640, 480), BT601, UNTAGGED),
        ((704, 576), BT601, UNTAGGED),
        ((640, 480), BT709, BT709),
        ((640, 480), BT601, BT601),
        ((1280, 720), BT601, BT601),
        ((1280, 720), BT709, BT709),
    ],
)
def test_a_colour_is_what_the_camera_saw(tmp_path: Path, size: tuple[int, int], written_as: int, tag: int) -> None:
    path = tmp_path / "colour.mp4"
    write_colour(path, size, written_as, tag)
    with open_source(str(path)) as source:
        (reading,) = source.read()
    assert isinstance(reading.picture, np.ndarray)
    assert reading.picture.shape == (size[1], size[0], 3)
    assert reading.picture.mean(axis=(0, 1)) == pytest.approx(COLOUR, abs=4)


def test_motion_jpeg_is_bt601_at_any_size(tmp_path: Path) -> None:
    path = tmp_path / "colour.avi"
    with av.open(str(path), "w") as container:
        stream: Any = container.add_stream("mjpeg", rate=5)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuvj420p"
        pixels = np.full((720, 1280, 3), COLOUR, np.uint8)
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    with open_source(str(path)) as source:
        (reading,) = source.read()
    assert isinstance(reading.picture, np.ndarray)
    assert reading.picture.mean(axis=(0, 1)) == pytest.approx(COLOUR, abs=6)
