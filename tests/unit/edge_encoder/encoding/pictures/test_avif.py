"""AVIF files: their turn is that of their own properties, and what is broken in their metadata refuses no pixel."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_encoder.encoding.picture_file import decode_file
from shared.errors import ImageError
from tests.support.pictures import room

FULL = 10_000


def avif(**options: Any) -> bytes:
    buffer = io.BytesIO()
    room().save(buffer, "AVIF", quality=95, **options)
    return buffer.getvalue()


def turned(orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "a maker of cameras"
    return avif(exif=exif)


def difference(data: bytes, expected: Image.Image) -> int:
    found = decode_file(data, FULL)
    assert (found.width, found.height) == expected.size
    return int(np.abs(np.asarray(found.image).astype(int) - np.asarray(expected).astype(int)).max())


def test_a_picture_is_taken_upright() -> None:
    assert difference(avif(), room()) < 20
    assert difference(turned(6), room().transpose(Image.Transpose.ROTATE_270)) < 20


def test_broken_metadata_refuses_no_picture() -> None:
    whole = turned(6)
    place = whole.index(b"a maker of cameras") - 40
    upright = room().transpose(Image.Transpose.ROTATE_270)
    for broken in (b"\xff" * 40, bytes(40), b"MM\0*" * 10):
        assert difference(whole[:place] + broken + whole[place + 40 :], upright) < 20
    assert difference(avif(icc_profile=b"no profile"), room()) < 20
    assert difference(avif(xmp=b"<<<"), room()) < 20


def test_the_first_picture_of_a_sequence_is_taken() -> None:
    assert difference(avif(save_all=True, append_images=[room().rotate(180)]), room()) < 30


@pytest.mark.parametrize("part", [0.2, 0.5, 0.95])
def test_a_truncated_one_is_refused(part: float) -> None:
    whole = avif()
    with pytest.raises(ImageError, match="the AVIF is damaged or truncated"):
        decode_file(whole[: int(part * len(whole))], FULL)
