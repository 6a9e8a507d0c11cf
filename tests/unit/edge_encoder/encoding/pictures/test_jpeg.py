"""JPEG files as cameras send them: cut, damaged, with metadata of all kinds. What is given out is what the file holds."""

from __future__ import annotations

import base64
import io
from typing import Any

import numpy as np
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from edge_encoder.encoding.picture_file import DecodedPicture, decode_file
from edge_encoder.encoding.pictures.decoded import most_missing
from shared.contract.geometry import Damage
from shared.errors import ImageError, UnsupportedPicture

FULL = 10_000
"""A smallest side that no picture here has, so that all are decoded in full."""
END = b"\xff\xd9"
ARITHMETIC = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYV"
    "pQYEpRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//yQARCAAg"
    "ACADASIAAhEBAxEB/8wACgAQEAUBEBEF/9oADAMBAAIRAxEAPwDSVevDOlXzmToPL9PQYSmJX2Nn5OTIm3Q4da5WeVi8sKfCBx9/NnzACCCdu+"
    "FxciTcFfD4aO2K5hPu7ISC01b4Riw0n+GovMj9hZ1Rh0YO9GIsGaaC3OUBi6K6Qk+Dt0vHGSgHiQH22IqQIB3jccu+6wSuiSb9hMnU6Rv+V03h"
    "p4gg1o0KIA/2RlImDltM948Gv0aJ17oJdiky+hDi10CNXACxT1RhYnbo/RBR2RdUjGW7kQXy4DOQ8Vh5QmkbcJkytnuOuT9FRdF0WitAYvDMoz"
    "DsElJcpyYEm0PvnFKbpZDuOovBAh8bb7KlxqSQpwfg/9k="
)
"""A room of 32x32 pixels, coded by `jpegtran -arithmetic`."""
ODD_SAMPLING = base64.b64decode(
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDACAWGBwYFCAcGhwkIiAmMFA0MCwsMGJGSjpQdGZ6eHJmcG6AkLicgIiuim5woNqirr7EztDOfJri8u"
    "DI8LjKzsb/2wBDASIkJDAqMF40NF7GhHCExsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsbGxsb/wAARCAEA"
    "ACADASIAAhIBAyEB/8QAGQAAAgMBAAAAAAAAAAAAAAAAAwUBAgQA/8QAMBAAAQMBBwIEBQUBAAAAAAAAAQACAxEEEiExQVFxImETIzShBSQyM5"
    "FCYnLB8LH/xAAYAQADAQEAAAAAAAAAAAAAAAAAAQIDBP/EAB0RAQEAAwADAQEAAAAAAAAAAAABAhExAyFBMiL/2gAMAwEAAhEDEQA/AOeKsIWW"
    "tFqlq0GumaySDqCQBitxFVK5uSkqwgNlriLY3VzA/IS2QdQT74g0Gwk0xACRyDqCn6DOiNyUlc3JcVQSDi3egdwEjkzCe270D+EjkzCkKFEbku"
    "KloJGAUFl2hJJJ9lRJM4tvoX8JJJmE7tvoX8JJJmEiMURpIbhqqnNVlcWiOmrwFSI1kl7OVF9SZ/bfQycJHJmE6th+TfwUlkzCQMVe6xwF/TEc"
    "qKRgnw6VOLuVZuSggCtAq+hJm1q9HJwUmfonNqwschOyTP0UQQHRG5LnKA4CgriVxVhIN7cAbFID/sUlfomNtmrGa65DYJbIaUUQ1ChzVLm02V"
    "o5HE3XY91Saokbwpb90cI37L6vDhZSa2PJI6SWYuORAHZAmJvM5XTvuvmA1cFSeoljrsg/ibdCiTCspVW/eHCjEAHSis01mw2SnS+rxGXHWyMs"
    "qXZud/SFITI+Fx1zW34vdbHGP1FxPssTQS6Ef7NXeQrxlkvTSGB0RYMwhRCloARSS1145g3XIbaCcO5qssb7qcOtNaTkp8Rm8e0OcPpButUw0M"
    "0NdAs7neWG96o8Q6a9lrlf5Tn+U2NcMdtU7QHgnJ3SVlFWuunMVWw+dB3p7rIXXpQdbhqs/H0vH0+eqjOMrslqiNWU2WVx03R4Tl+Fr5J/KvJ+"
    "WeVdPjvrTXZ3dRbviEBwu2twGVFZrrrw7Yqkh+dfTQLDD9Hh08sdxjWQdT/ZGBuvcNkJvTHU6og+oO0K1y9gtLlaD/1AY4m0n+KK09HGCBCfOJ"
    "/as8Onj2tpdufLocubRojOHRwf6QnC88Dc0RpDdvDdaThwqUvtYHAncVQoDR5PaimvlV2VIMb3cKJ2m2xy0z+jRsHiNJ5XWtt2h7IkYJP4C63N"
    "rCCqhQqlkDvLKtAMCh5AhGhHQUhWkpRtgFGE7lRL12Yk50qrxikQ4qpuUhunaiZpoKNStMI8tAcCC7laIPtpUZCVUbYjVtRqSpqTI4aABdG0tY"
    "AdFzQfEeeAmEGXTi7MR3RIRRlNiutjaTNO6s0UA7iqV4LwKj//2Q=="
)
"""A room of 32x256 pixels, coded by `cjpeg -sample 2x2,1x2,2x1`: TurboJPEG has no name for such a sampling."""


def noisy(width: int, height: int) -> Image.Image:
    """A picture in which no two blocks are alike, so that no lost block goes unseen."""
    random = np.random.default_rng(width * 1000 + height)
    coarse = random.integers(0, 256, (-(-height // 4), -(-width // 4), 3), np.uint8)
    return Image.fromarray(coarse.repeat(4, axis=0).repeat(4, axis=1)[:height, :width])


def jpeg(image: Image.Image, **options: Any) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def pixels(picture: DecodedPicture) -> NDArray[np.int64]:
    return np.asarray(picture.image).astype(np.int64)


def scan_of(data: bytes) -> int:
    """The place where the first scan's data begins."""
    at = data.index(b"\xff\xda")
    return at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")


@st.composite
def jpegs(draw: st.DrawFn) -> tuple[bytes, int]:
    """A JPEG of any kind, and the pixel rows of a row of its blocks."""
    image = noisy(draw(st.integers(16, 150)), draw(st.integers(16, 300)))
    subsampling = draw(st.integers(0, 2))
    options: dict[str, Any] = {"quality": draw(st.sampled_from((30, 75, 95))), "subsampling": subsampling}
    if draw(st.booleans()):
        image, subsampling = image.convert("L"), 0
        del options["subsampling"]
    options["progressive"] = draw(st.booleans())
    restart = draw(st.sampled_from((None, "restart_marker_rows", "restart_marker_blocks")))
    if restart is not None:
        options[restart] = draw(st.integers(1, 5))
    return jpeg(image, **options), 16 if subsampling == 2 else 8


@given(jpegs(), st.data())
@settings(max_examples=150, deadline=None)
def test_a_jpeg_that_is_cut_anywhere_is_marked_with_what_is_missing_or_refused(
    made: tuple[bytes, int], data: st.DataObject
) -> None:
    whole_file, block_rows = made
    most = len(whole_file) - scan_of(whole_file)
    lost = data.draw(st.one_of(st.integers(1, most), st.integers(1, min(most, 40))))
    whole = pixels(decode_file(whole_file, FULL))
    try:
        found = decode_file(whole_file[:-lost], FULL)
    except ImageError as error:
        event(str(error)[:20])
        return
    assert found.damage is not None
    assert found.damage.kind in (Damage.NO_END, Damage.CUT)
    rows = -(-found.height // block_rows)
    missing = int(found.damage.detail.split()[0]) if found.damage.kind is Damage.CUT else 0
    assert missing <= most_missing(rows)
    # Smooth upsampling lets the first missing row shine through in the last pixels of the row above.
    sound = (rows - missing) * block_rows - (1 if missing else 0)
    assert np.array_equal(pixels(found)[:sound], whole[:sound])


@given(jpegs(), st.binary(min_size=1, max_size=30), st.randoms(use_true_random=False))
@settings(max_examples=150, deadline=None)
def test_a_scan_with_flipped_bytes_is_marked_wherever_the_decoder_warns(
    made: tuple[bytes, int], flips: bytes, random: Any
) -> None:
    whole_file, _ = made
    changed = bytearray(whole_file)
    for flip in flips:
        changed[random.randrange(scan_of(whole_file), len(whole_file) - 2)] ^= flip
    try:
        found = decode_file(bytes(changed), FULL)
    except ImageError:
        return
    if found.damage is None:
        # libjpeg, asked by another way: it must have read all of this without a complaint as well.
        import simplejpeg

        simplejpeg.decode_jpeg(bytes(changed), "RGB", strict=True)


def test_only_the_end_mark_is_missing() -> None:
    whole = jpeg(noisy(320, 240))
    for data in (whole[:-2], whole[:-1], whole[:-2] + b"\xff", whole[:-2] + b"\xff\xff"):
        found = decode_file(data, FULL)
        assert found.damage is not None
        assert found.damage.kind is Damage.NO_END
        assert np.array_equal(pixels(found), pixels(decode_file(whole, FULL)))


@pytest.mark.parametrize("options", [{}, {"subsampling": 0}, {"progressive": True}, {"restart_marker_rows": 1}])
def test_a_few_missing_rows_are_told_and_more_are_refused_with_what_is_there(options: dict[str, Any]) -> None:
    whole = jpeg(noisy(128, 640), **options)
    found = decode_file(whole[:-60], FULL)
    assert found.damage is not None
    assert found.damage.kind is Damage.CUT
    with pytest.raises(ImageError, match=r"truncated: \d+ of its (40 block rows|80 block rows|scans) (are|is) there"):
        decode_file(whole[: len(whole) // 2], FULL)


def test_a_cut_is_refused_although_an_end_mark_was_put_there() -> None:
    whole = jpeg(noisy(128, 640))
    with pytest.raises(ImageError, match="block rows are there"):
        decode_file(whole[: len(whole) // 2] + END, FULL)


def test_a_corrupt_scan_is_marked_and_taken() -> None:
    whole = jpeg(noisy(320, 240), quality=90)
    changed = bytearray(whole)
    start = scan_of(whole)
    for at in range(start + 200, start + 5000, 160):
        changed[at] ^= 0x5A
    found = decode_file(bytes(changed), FULL)
    assert found.damage is not None
    assert found.damage.kind is Damage.CORRUPT


@pytest.mark.parametrize("marker", [b"\xff\xd9", b"\xff\xd3", b"\xff\x01", b"\xff\xc4", b"\xff\xfe", b"\xff\xda"])
def test_a_marker_that_cannot_stand_in_a_scan_ends_no_picture(marker: bytes) -> None:
    whole = jpeg(noisy(320, 240), quality=90)
    middle = scan_of(whole) + 9000
    found = decode_file(whole[:middle] + marker + whole[middle + 2 :], FULL)
    assert found.damage is not None
    assert found.damage.kind is Damage.CORRUPT
    # Where the decoder stopped at the marker, the rest would be grey.
    assert pixels(found)[-16:].std() > 20


@given(st.integers(0xE0, 0xEF), st.binary(max_size=400), st.integers(0, 65535), st.booleans(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_metadata_of_any_content_and_length_changes_no_pixel(
    marker: int, content: bytes, length: int, lies: bool, is_exif: bool
) -> None:
    whole = jpeg(noisy(64, 64))
    content = (b"Exif\0\0MM\0*\0\0\0\x08" if is_exif else b"") + content
    if marker == 0xEE and content.startswith(b"Adobe"):
        return
    if lies and (b"\xff" in content or length == len(content) + 2):
        return
    segment = bytes((0xFF, marker)) + (length if lies else len(content) + 2).to_bytes(2, "big") + content
    expected = pixels(decode_file(whole, FULL))
    for place in (2, 20):
        found = decode_file(whole[:place] + segment + whole[place:], FULL)
        assert found.damage is None
        if sorted(found.image.size) == [64, 64] and not is_exif:
            assert np.array_equal(pixels(found), expected)


def test_a_thumbnail_is_not_taken_for_the_picture_where_a_length_is_wrong() -> None:
    whole, thumbnail = jpeg(noisy(160, 120)), jpeg(noisy(32, 24))
    for length in (0, 2, 40, 300, len(thumbnail), 60000):
        segment = b"\xff\xe1" + length.to_bytes(2, "big") + b"Exif\0\0MM\0*" + bytes(60) + thumbnail + bytes(10)
        found = decode_file(whole[:20] + segment + whole[20:], FULL)
        assert (found.width, found.height) == (160, 120)


def test_what_follows_the_end_is_left_out() -> None:
    first, second = jpeg(noisy(64, 48)), jpeg(noisy(96, 80))
    expected = pixels(decode_file(first, FULL))
    for rest in (second, b"\0" * 5000, b"\r\n--frame--\r\n", END * 3, b"\xff" * 9):
        found = decode_file(first + rest, FULL)
        assert found.damage is None
        assert np.array_equal(pixels(found), expected)
    cut = decode_file(first[:-2] + second, FULL)
    assert (cut.width, cut.height) == (64, 48)
    assert cut.damage is not None


def test_arithmetic_coding_is_taken_and_its_cuts_are_seen() -> None:
    found = decode_file(ARITHMETIC, FULL)
    assert found.damage is None
    assert pixels(found)[8:24, 8:24].std() > 5
    without_end = decode_file(ARITHMETIC[:-2], FULL)
    assert without_end.damage is not None
    with pytest.raises(ImageError):
        decode_file(ARITHMETIC[: scan_of(ARITHMETIC) + 10], FULL)


@pytest.mark.parametrize(
    ("marker", "precision", "name"),
    [
        (0xC3, 8, "a lossless JPEG"),
        (0xC7, 8, "a hierarchical JPEG"),
        (0xF7, 8, "a JPEG-LS file"),
        (0xC1, 12, "a JPEG with 12 bits a sample"),
    ],
)
def test_other_kinds_of_jpeg_are_refused_by_their_name(marker: int, precision: int, name: str) -> None:
    whole = jpeg(noisy(64, 48))
    at = whole.index(b"\xff\xc0")
    with pytest.raises(UnsupportedPicture, match=name):
        decode_file(whole[: at + 1] + bytes((marker, 0, 17, precision)) + whole[at + 5 :], FULL)


def test_unusual_sampling_is_taken_and_its_cuts_are_seen() -> None:
    whole = decode_file(ODD_SAMPLING, FULL)
    assert whole.damage is None
    assert np.array_equal(pixels(whole), np.asarray(Image.open(io.BytesIO(ODD_SAMPLING))))
    without_end = decode_file(ODD_SAMPLING[:-2], FULL)
    assert without_end.damage is not None
    cut = decode_file(ODD_SAMPLING[:-12], FULL)
    assert cut.damage is not None
    assert cut.damage.kind is Damage.CUT
    for end in (b"", END):
        with pytest.raises(ImageError, match="block rows are there"):
            decode_file(ODD_SAMPLING[:-200] + end, FULL)


def test_motion_jpeg_without_its_huffman_tables_is_taken() -> None:
    whole = jpeg(noisy(64, 48))
    stripped, at = bytearray(whole[:2]), 2
    while whole[at + 1] != 0xDA:
        end = at + 2 + int.from_bytes(whole[at + 2 : at + 4], "big")
        stripped += b"" if whole[at + 1] == 0xC4 else whole[at:end]
        at = end
    found = decode_file(bytes(stripped) + whole[at:], FULL)
    assert found.damage is None
    assert np.array_equal(pixels(found), pixels(decode_file(whole, FULL)))


@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
def test_the_pixels_are_those_of_pillow(mode: str) -> None:
    data = jpeg(noisy(200, 150).convert(mode), quality=85)
    expected = np.asarray(Image.open(io.BytesIO(data)).convert("RGB"))
    assert np.array_equal(pixels(decode_file(data, FULL)), expected)


@pytest.mark.parametrize("smallest", [16, 60, 61, 64, 100, 500])
def test_a_draft_is_the_smallest_that_keeps_its_sides(smallest: int) -> None:
    data = jpeg(noisy(640, 480))
    drafted = Image.open(io.BytesIO(data))
    drafted.draft("RGB", (smallest, smallest))
    found = decode_file(data, smallest)
    assert (found.width, found.height) == (640, 480)
    assert np.array_equal(pixels(found), np.asarray(drafted.convert("RGB")))


def test_more_scans_than_any_encoder_writes_are_refused() -> None:
    data = jpeg(noisy(64, 48), progressive=True)
    at = data.rindex(b"\xff\xda")
    scan = data[at:-2]
    with pytest.raises(ImageError, match="more than 100 scans"):
        decode_file(data[:-2] + scan * 100 + END, FULL)
