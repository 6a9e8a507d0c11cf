"""WebP and AVIF files: what is no pixel refuses none."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from edge_encoder.encoding.picture_file import decode_file
from shared.errors import ImageError

FULL = 10_000
NOISE = Image.fromarray(np.random.default_rng(4).integers(0, 256, (48, 64, 3), np.uint8))
TURNED_BY_180 = b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\3\0\0\0\0\0\x08"


def webp(**options: Any) -> bytes:
    buffer = io.BytesIO()
    NOISE.save(buffer, "WEBP", **options)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes) -> bytes:
    return kind + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2)


def shown(data: bytes) -> np.ndarray[Any, Any]:
    found = decode_file(data, FULL)
    assert found.damage is None
    return np.asarray(found.image)


EXTENDED = webp(lossless=True, exif=TURNED_BY_180)
LOSSY, ANIMATION = webp(quality=60), webp(lossless=True, save_all=True, append_images=[NOISE.rotate(90)])


@given(st.binary(min_size=4, max_size=4), st.binary(max_size=200), st.integers(0, 2**32 - 1))
@settings(max_examples=80, deadline=None)
def test_unknown_chunks_and_a_wrong_length_of_the_file_change_no_pixel(
    kind: bytes, content: bytes, length: int
) -> None:
    if kind in (b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF", b"EXIF", b"XMP "):
        return
    for whole in (LOSSY, ANIMATION):
        changed = whole[:4] + length.to_bytes(4, "little") + whole[8:]
        assert np.array_equal(shown(changed + chunk(kind, content)), shown(whole))
    behind = EXTENDED[:30] + chunk(kind, content) + EXTENDED[30:]
    assert np.array_equal(shown(behind), np.asarray(NOISE)[::-1, ::-1])


@pytest.mark.parametrize(
    "exif", [b"", b"not a TIFF file", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff", bytes(70000)]
)
def test_broken_exif_refuses_no_picture(exif: bytes) -> None:
    place = EXTENDED.index(b"EXIF")
    assert np.array_equal(shown(EXTENDED[:place] + chunk(b"EXIF", exif)), np.asarray(NOISE))
    cut = EXTENDED[:place] + chunk(b"EXIF", TURNED_BY_180)[:-9]
    assert np.array_equal(shown(cut), np.asarray(NOISE))


@pytest.mark.parametrize("whole", [LOSSY, webp(lossless=True), ANIMATION])
def test_a_truncated_webp_is_refused_with_what_is_missing(whole: bytes) -> None:
    pixels_end = 12 + 8 + int.from_bytes(whole[16:20], "little") if whole is not ANIMATION else len(whole) // 2
    with pytest.raises(ImageError, match=r"[1-9]\d* bytes of its pixels are missing"):
        decode_file(whole[: pixels_end - 50], FULL)


def test_a_webp_without_pixels_is_refused() -> None:
    with pytest.raises(ImageError, match="it has no pixels"):
        decode_file(b"RIFF\x0c\0\0\0WEBPabcd\0\0\0\0", FULL)
