from __future__ import annotations

import io
import zlib
from typing import Any

import numpy as np
import pytest
from PIL import Image

from edge_encoder.encoding.preprocess import preprocess, preprocess_pixels
from shared.contract.geometry import Damage, Geometry, InputSize
from shared.errors import ImageError, UnsupportedPicture
from tests.support.fixed_models import scattered_array
from tests.support.pictures import GREY, png_that_claims

SIZE = InputSize(height=64, width=64)
CORNERS = np.array([[[200, 30, 30], [30, 200, 30]], [[30, 30, 200], [220, 220, 40]]], np.uint8)
"""Red, green / blue, yellow."""


def saved(image: Image.Image, format: str = "PNG", **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def quarters(width: int = 320, height: int = 160) -> Image.Image:
    return Image.fromarray(CORNERS.repeat(height // 2, axis=0).repeat(width // 2, axis=1))


def centres(pixels: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The colours in the middle of the four quarters."""
    return pixels[16:64:32, 16:64:32].astype(int)


@pytest.mark.parametrize(
    ("format", "options"), [("PNG", {}), ("JPEG", {"quality": 95}), ("WEBP", {"lossless": True}), ("WEBP", {})]
)
def test_a_picture_is_stretched_to_the_input(format: str, options: dict[str, Any]) -> None:
    frame = preprocess(saved(quarters(), format, **options), SIZE)
    assert frame.geometry == Geometry(320, 160, 64, 64)
    assert np.abs(centres(frame.pixels) - CORNERS).max() <= 12


def test_a_large_jpeg_drafted_at_a_fraction_keeps_its_content_and_size() -> None:
    frame = preprocess(saved(quarters(3202, 1602), "JPEG", quality=95), SIZE)
    assert frame.geometry == Geometry(3202, 1602, 64, 64)
    assert np.abs(centres(frame.pixels) - CORNERS).max() <= 6


def test_a_draft_is_never_smaller_than_the_input() -> None:
    cells = (scattered_array((64, 64), 3, 100) + 128).astype(np.uint8)
    data = saved(Image.fromarray(cells.repeat(4, axis=0).repeat(4, axis=1)), "JPEG", quality=98)
    assert np.abs(preprocess(data, SIZE).pixels[:, :, 0].astype(int) - cells).max() <= 12


def test_scaling_down_averages() -> None:
    stripes = np.zeros((640, 640), np.uint8)
    stripes[:, ::2] = 200
    pixels = preprocess(saved(Image.fromarray(stripes)), SIZE).pixels
    assert pixels.min() >= 95
    assert pixels.max() <= 105


@pytest.mark.parametrize(
    ("orientation", "expected"),
    [
        (1, CORNERS),
        (2, CORNERS[:, ::-1]),
        (3, CORNERS[::-1, ::-1]),
        (4, CORNERS[::-1]),
        (5, CORNERS.transpose(1, 0, 2)),
        (6, np.rot90(CORNERS, -1)),
        (7, CORNERS[::-1, ::-1].transpose(1, 0, 2)),
        (8, np.rot90(CORNERS)),
    ],
)
def test_the_orientation_is_undone(orientation: int, expected: np.ndarray[Any, Any]) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    frame = preprocess(saved(quarters(3200, 1600), "JPEG", exif=exif, quality=95), SIZE)
    assert np.abs(centres(frame.pixels) - expected).max() <= 6
    upright = (1600, 3200) if orientation >= 5 else (3200, 1600)
    assert (frame.geometry.picture_width, frame.geometry.picture_height) == upright


def test_grey_is_spread_over_the_channels() -> None:
    pixels = preprocess(saved(Image.new("L", (20, 20), 77)), SIZE).pixels
    assert np.array_equal(pixels, np.full((64, 64, 3), 77))


@pytest.mark.parametrize(("value", "expected"), [(0, 0), (128, 0), (129, 1), (32896, 128), (40000, 156), (65535, 255)])
def test_16_bits_are_scaled_not_clipped(value: int, expected: int) -> None:
    data = saved(Image.fromarray(np.full((20, 20), value, np.uint16)))
    assert preprocess(data, SIZE).pixels[0, 0].tolist() == [expected] * 3


def test_alpha_is_composited_on_black() -> None:
    half = Image.new("RGBA", (20, 20), (200, 100, 50, 128))
    assert np.abs(preprocess(saved(half), SIZE).pixels[5, 5].astype(int) - [100, 50, 25]).max() <= 1
    clear = Image.new("RGBA", (20, 20), (255, 255, 255, 0))
    assert preprocess(saved(clear), SIZE).pixels.max() == 0
    assert preprocess(saved(clear, "WEBP", lossless=True), SIZE).pixels.max() == 0
    grey = Image.new("LA", (20, 20), (200, 0))
    assert preprocess(saved(grey), SIZE).pixels.max() == 0


def test_a_palette_is_looked_up_and_its_transparency_heeded() -> None:
    palette = quarters().quantize(16)
    assert np.abs(centres(preprocess(saved(palette), SIZE).pixels) - CORNERS).max() <= 8
    index = palette.getpixel((0, 0))
    see_through = preprocess(saved(palette, transparency=index), SIZE)
    assert centres(see_through.pixels)[0, 0].tolist() == [0, 0, 0]
    assert np.abs(centres(see_through.pixels)[1, 1] - CORNERS[1, 1]).max() <= 8


def test_cmyk_becomes_rgb() -> None:
    frame = preprocess(saved(quarters().convert("CMYK"), "JPEG", quality=95), SIZE)
    assert np.abs(centres(frame.pixels) - CORNERS).max() <= 8


@pytest.mark.parametrize("data", [b"", b"hello", bytes(1000), b"\x93\xff\xfe"])
def test_what_is_no_picture_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match="not a picture that can be read: send JPEG, PNG, WebP or AVIF"):
        preprocess(data, SIZE)


@pytest.mark.parametrize(
    "data", [b"\xff\xd8\xff\xe0", b"\x89PNG\r\n\x1a\n", b"RIFF\0\0\0\0WEBP", b"\0\0\0\x14ftypavif"]
)
def test_a_picture_that_ends_before_its_first_pixel_is_refused(data: bytes) -> None:
    with pytest.raises(ImageError, match=r"damaged|ends or breaks before"):
        preprocess(data, SIZE)


@pytest.mark.parametrize(
    ("format", "name"),
    [("BMP", "a BMP"), ("TIFF", "a TIFF"), ("GIF", "a GIF"), ("PPM", "a PPM"), ("JPEG2000", "a JPEG 2000 file")],
)
def test_other_formats_are_refused_by_their_name(format: str, name: str) -> None:
    with pytest.raises(UnsupportedPicture, match=f"this is {name}.*, which is not taken: send JPEG, PNG, WebP or AVIF"):
        preprocess(saved(quarters(), format), SIZE)


@pytest.mark.parametrize("page", [b"<!DOCTYPE html><title>Login</title>", b'{"error": "no frame"}', b"Unauthorized\n"])
def test_a_page_that_is_posted_by_mistake_is_named(page: bytes) -> None:
    with pytest.raises(ImageError, match=r"this is (HTML|JSON|text), and not a picture") as caught:
        preprocess(page, SIZE)
    assert not isinstance(caught.value, UnsupportedPicture)


@pytest.mark.parametrize("format", ["PNG", "JPEG", "WEBP", "AVIF"])
def test_a_truncated_picture_is_refused(format: str) -> None:
    noise = Image.fromarray(
        np.frombuffer(zlib.compress(bytes(range(256)) * 9) * 900, np.uint8)[:30000].reshape(100, 100, 3)
    )
    data = saved(noise, format)
    preprocess(data, SIZE)
    for part in (0.1, 0.3, 0.6):
        with pytest.raises(ImageError):
            preprocess(data[: int(part * len(data))], SIZE)


def test_a_damaged_picture_says_so_as_a_frame() -> None:
    whole = saved(quarters(), "JPEG")
    assert preprocess(whole, SIZE).damage is None
    damage = preprocess(whole[:-2], SIZE).damage
    assert damage is not None
    assert damage.kind is Damage.NO_END


@pytest.mark.parametrize("size", [(1, 1), (15, 400), (400, 15)])
def test_a_tiny_picture_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match=f"the picture is {size[0]}x{size[1]} pixels; each side must have at least 16"):
        preprocess(saved(Image.new("RGB", size)), SIZE)
    preprocess(saved(Image.new("RGB", (16, 16))), SIZE)


@pytest.mark.parametrize(
    ("width", "height"), [(20000, 20000), (8001, 8000), (10000, 10000), (2**31 - 1, 2**31 - 1), (64_000_001, 16)]
)
def test_a_huge_picture_is_refused_before_it_is_decoded(
    width: int, height: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded(*_: object) -> None:
        pytest.fail("the picture was decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    monkeypatch.setattr("simplejpeg.decode_jpeg", decoded)
    with pytest.raises(ImageError, match="at most 64 million are taken"):
        preprocess(png_that_claims(width, height, GREY), SIZE)


def test_a_decoded_picture_becomes_the_same_frame_as_its_file() -> None:
    from_file = preprocess(saved(quarters()), SIZE)
    from_pixels = preprocess_pixels(np.asarray(quarters()), SIZE)
    assert np.array_equal(from_pixels.pixels, from_file.pixels)
    assert from_pixels.geometry == from_file.geometry
    for wrong in (np.zeros((40, 40), np.uint8), np.zeros((40, 40, 3), np.float32), np.zeros((4, 40, 3), np.uint8)):
        with pytest.raises(ImageError):
            preprocess_pixels(wrong, SIZE)  # type: ignore[arg-type]
