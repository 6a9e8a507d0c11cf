"""PNG files: chunks that are no pixels refuse none, and rows that are missing are counted."""

from __future__ import annotations

import io
import tracemalloc
import zlib
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from PIL import Image

from edge_encoder.encoding.picture_file import decode_file
from edge_encoder.encoding.pictures.decoded import most_missing
from shared.contract.geometry import Damage
from shared.errors import ImageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"
FULL = 10_000
BOMB = zlib.compress(bytes(5_000_000))
NOISE = np.random.default_rng(3).integers(0, 256, (160, 96, 3), np.uint8)


def png(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG", **options)
    return buffer.getvalue()


def chunk(kind: bytes, content: bytes, check_sum: int | None = None) -> bytes:
    right = zlib.crc32(kind + content) if check_sum is None else check_sum
    return len(content).to_bytes(4, "big") + kind + content + right.to_bytes(4, "big")


def interlaced(pixels: np.ndarray[Any, Any]) -> bytes:
    """An Adam7 file, which Pillow does not write."""
    rows = bytearray()
    for x, y, across, down in (
        (0, 0, 8, 8),
        (4, 0, 8, 8),
        (0, 4, 4, 8),
        (2, 0, 4, 4),
        (0, 2, 2, 4),
        (1, 0, 2, 2),
        (0, 1, 1, 2),
    ):
        for row in pixels[y::down, x::across]:
            rows += b"\0" + row.tobytes()
    height, width = pixels.shape[:2]
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\1"
    return SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(rows))) + chunk(b"IEND", b"")


WHOLE = png(Image.fromarray(NOISE))
AFTER_HEADER = 33


def shown(data: bytes) -> np.ndarray[Any, Any]:
    found = decode_file(data, FULL)
    assert found.damage is None
    return np.asarray(found.image)


@given(
    st.sampled_from(
        (b"eXIf", b"pHYs", b"iCCP", b"tEXt", b"zTXt", b"iTXt", b"gAMA", b"cHRM", b"sRGB", b"tIME", b"bKGD", b"acTL", b"fcTL",
         b"sPLT", b"hIST", b"sBIT", b"cICP", b"teSt", b"tRNS")
    ),
    st.one_of(st.binary(max_size=300), st.sampled_from((b"\0" * 9, b"icc\0\0" + BOMB, b"a\0\0" + BOMB))),
    st.one_of(st.none(), st.integers(0, 2**32 - 1)),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_an_ancillary_chunk_of_any_content_changes_no_pixel(kind: bytes, content: bytes, check_sum: int | None) -> None:
    if (kind == b"tRNS" and len(content) == 6) or kind == b"eXIf":
        content = b"\1" + content
    odd = chunk(kind, content, check_sum)
    end = WHOLE.rindex(b"IEND") - 4
    for data in (WHOLE[:AFTER_HEADER] + odd + WHOLE[AFTER_HEADER:], WHOLE[:end] + odd + WHOLE[end:]):
        assert np.array_equal(shown(data), NOISE)


@pytest.mark.parametrize("length", [0, 1, 7, 100, 2**31 - 1, 2**32 - 1])
def test_a_chunk_of_a_wrong_length_hides_no_pixel(length: int) -> None:
    odd = length.to_bytes(4, "big") + b"tEXt" + b"Comment\0from a camera" + bytes(4)
    assert np.array_equal(shown(WHOLE[:AFTER_HEADER] + odd + WHOLE[AFTER_HEADER:]), NOISE)


@pytest.mark.parametrize(
    "content",
    [
        b"MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0\0\0\0\0\0\x08",
        b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0\0\1\0\6\0\0",
    ],
)
def test_an_orientation_is_kept_where_it_can_be_read(content: bytes) -> None:
    # The directory is followed by itself, without an end.
    data = WHOLE[:AFTER_HEADER] + chunk(b"eXIf", content, 0) + WHOLE[AFTER_HEADER:]
    assert np.array_equal(shown(data), np.rot90(NOISE, -1))


def test_the_orientation_of_xmp_and_of_image_magick_is_kept() -> None:
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="3"/></x:xmpmeta>'
    exif = Image.Exif()
    exif[0x0112] = 3
    profile = b"\nexif\n%8d\n" % len(exif.tobytes()) + exif.tobytes().hex().encode()
    for odd in (
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0" + xmp),
        chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(xmp)),
        chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(profile)),
    ):
        assert np.array_equal(shown(WHOLE[:AFTER_HEADER] + odd + WHOLE[AFTER_HEADER:]), NOISE[::-1, ::-1])


def test_a_text_that_is_a_bomb_is_not_inflated() -> None:
    bomb = chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(bytes(200_000_000), 9))
    tracemalloc.start()
    assert np.array_equal(shown(WHOLE[:AFTER_HEADER] + bomb + WHOLE[AFTER_HEADER:]), NOISE)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 10_000_000


@given(st.integers(1, len(WHOLE) - 60))
@settings(max_examples=100, deadline=None)
def test_a_png_that_is_cut_anywhere_is_marked_with_what_is_missing_or_refused(lost: int) -> None:
    try:
        found = decode_file(WHOLE[:-lost], FULL)
    except ImageError as error:
        event(str(error)[:20])
        return
    if found.damage is None:
        assert lost <= 4, "no more is missing than the check sum of the end"
        return
    missing = int(found.damage.detail.split()[0]) if found.damage.kind is Damage.CUT else 0
    assert missing <= most_missing(20)
    assert np.array_equal(np.asarray(found.image)[: 160 - 8 * missing], NOISE[: 160 - 8 * missing])


def test_missing_rows_repeat_the_last_one_and_too_many_are_refused_with_what_is_there() -> None:
    found = decode_file(WHOLE[: -len(WHOLE) // 20], FULL)
    assert found.damage is not None
    assert found.damage.kind is Damage.CUT
    assert np.array_equal(np.asarray(found.image)[-1], np.asarray(found.image)[-2])
    with pytest.raises(ImageError, match=r"truncated: 1[01] of its 20 block rows are there"):
        decode_file(WHOLE[: len(WHOLE) * 11 // 20], FULL)


def test_a_wrong_check_sum_of_the_pixels_is_marked() -> None:
    raw = b"".join(b"\0" + row.tobytes() for row in NOISE)
    wrong = zlib.compress(raw)[:-4] + bytes(4)
    found = decode_file(WHOLE[:AFTER_HEADER] + chunk(b"IDAT", wrong) + chunk(b"IEND", b""), FULL)
    assert found.damage is not None
    assert found.damage.kind is Damage.CORRUPT
    assert np.array_equal(np.asarray(found.image), NOISE)


def test_an_interlaced_png_needs_all_of_its_data() -> None:
    whole = interlaced(NOISE)
    assert np.array_equal(shown(whole), NOISE)
    with pytest.raises(ImageError, match=r"interlaced PNG is damaged or truncated: [4-9][0-9] % of its pixel data"):
        decode_file(whole[:-9000], FULL)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA"])
def test_every_kind_of_colour_is_mended(mode: str) -> None:
    image = Image.fromarray(NOISE).convert(mode)
    whole = png(image)
    end = whole.rindex(b"IDAT") + 4 + int.from_bytes(whole[whole.rindex(b"IDAT") - 4 :][:4], "big")
    found = decode_file(whole[: end - 60], FULL)
    assert found.damage is not None
    assert np.array_equal(np.asarray(found.image)[:100], np.asarray(decode_file(whole, FULL).image)[:100])


def test_a_header_that_claims_too_much_is_refused_before_anything_is_inflated() -> None:
    header = (60_000).to_bytes(4, "big") * 2 + b"\x08\x02\0\0\0"
    data = SIGNATURE + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(100)))
    with pytest.raises(ImageError, match="at most 64 million"):
        decode_file(data, FULL)


def test_a_png_whose_palette_is_missing_is_refused() -> None:
    whole = png(Image.fromarray(NOISE).quantize(16))
    begin = whole.index(b"PLTE") - 4
    length = int.from_bytes(whole[begin : begin + 4], "big")
    with pytest.raises(ImageError, match="palette, and it has none"):
        decode_file(whole[:begin] + whole[begin + 12 + length :], 16)
