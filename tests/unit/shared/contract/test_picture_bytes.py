from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.picture_bytes import AVIF, JPEG, PNG, WEBP, name_of, unwrapped

PICTURE = b"\xff\xd8\xff\xe0 data \r\n-- and more \xff\xd9"


@pytest.mark.parametrize(
    "body",
    [
        PICTURE,
        b"\r\n" + PICTURE,
        b"\n\n \r\n" + PICTURE,
        b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + PICTURE + b"\r\n--frame--\r\n",
        b"\r\n--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 9\r\n\r\n" + PICTURE + b"\r\n--frame\r\n",
        b"--frame\nContent-Type: image/jpeg\n\n" + PICTURE + b"\n--frame--",
        b"--frame\r\nContent-Type: image/jpeg\r\n\r\n" + PICTURE,
        b"--frame\r\nContent-Type: image/jpeg\r\n\r\n\r\n" + PICTURE + b"\r\n--frame--\r\n",
        b"Content-Type: image/jpeg\r\nContent-Length: 9\r\n\r\n" + PICTURE,
        b'--b\r\nContent-Disposition: form-data; name="id"\r\n\r\nhall\r\n--b\r\nContent-Disposition: form-data; name="f"; '
        b'filename="a.jpg"\r\nContent-Type: image/jpeg\r\n\r\n' + PICTURE + b"\r\n--b--\r\n",
    ],
)
def test_line_breaks_and_boundaries_are_taken_off(body: bytes) -> None:
    assert unwrapped(body) == PICTURE
    assert unwrapped(unwrapped(body)) == PICTURE


def test_a_form_without_a_picture_gives_its_file_so_that_it_can_be_named() -> None:
    form = b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b\r\nX: ; filename="a.gif"\r\n\r\nGIF89a\r\n--b--'
    assert unwrapped(form) == b"GIF89a"


@given(st.binary(max_size=200))
def test_any_bytes_are_unwrapped_and_named_without_an_error(data: bytes) -> None:
    for body in (data, b"--" + data, b"--a\r\n" + data, b"Content-Type" + data):
        assert len(unwrapped(body)) <= len(body)
        assert isinstance(name_of(body), str)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (PICTURE, JPEG),
        (b"\x89PNG\r\n\x1a\n", PNG),
        (b"RIFF\0\0\0\0WEBPVP8 ", WEBP),
        (b"\0\0\0\x1cftypavif\0\0\0\0mif1", AVIF),
        (b"\0\0\0\x1cftypmif1\0\0\0\0mif1avif", AVIF),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1", "a HEIC file"),
        (b"\0\0\0\x18ftypmif1\0\0\0\0heic", "a HEIC file"),
        (b"\0\0\0\x18ftypisom\0\0\0\0mp42", "an MP4 or QuickTime video"),
        (b"GIF87a", "a GIF"),
        (b"BM\x36\0\0\0\0\0\0\0", "a BMP"),
        (b"II*\0", "a TIFF"),
        (b"\0\0\0\x0cjP  \r\n\x87\n", "a JPEG 2000 file"),
        (b"\xff\x0a\x00", "a JPEG XL file"),
        (b"\x89PNG\n\x1a\n", "a PNG whose line ends were changed, as a transfer in text mode does"),
        (b"  <HTML><body>", "HTML"),
        (b"\xef\xbb\xbf<!doctype html>", "HTML"),
        (b'<?xml version="1.0"?><svg xmlns="...">', "an SVG file"),
        (b'<?xml version="1.0"?><e/>', "XML"),
        (b'{"status": 401}', "JSON"),
        (b"[]", "JSON"),
        ("Zugriff verweigert für alle".encode(), "text"),
        (b"\x93\xfe\xff\x80", ""),
        (b"", ""),
    ],
)
def test_a_format_is_named_by_its_bytes(data: bytes, name: str) -> None:
    assert name_of(data) == name
