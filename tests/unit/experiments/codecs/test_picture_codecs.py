"""The picture codecs, on smooth random pictures: the streams are real, so every figure here is the library's own."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from experiments.codecs.picture_codecs import (
    Avif,
    HevcIntra,
    Jpeg,
    PictureCodec,
    Webp,
    is_slice,
    nal_units,
)
from training.datasets.frame import DataError

UInt8Array = NDArray[np.uint8]

CODECS: tuple[PictureCodec, ...] = (HevcIntra(), Jpeg(), Webp(), Avif())
SHAPE_BYTES = 5
VPS, SPS, PPS, IDR = 32, 33, 34, 20

each_codec = pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.name)
seeds = st.integers(0, 2**32 - 1)
sides = st.integers(1, 70)


def smooth_picture(seed: int, height: int = 64, width: int = 96, grey: bool = False) -> UInt8Array:
    """A picture with shades but no edges: a few random colours with a bicubic surface between them."""
    colours = np.random.default_rng(seed).integers(0, 256, (5, 5) if grey else (5, 5, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(colours).resize((width, height), Image.Resampling.BICUBIC))


def psnr_db(found: UInt8Array, wanted: UInt8Array) -> float:
    error = np.mean((found.astype(np.float64) - wanted) ** 2)
    return float(10 * np.log10(255**2 / max(error, 1e-12)))


def nal_type(unit: bytes) -> int:
    return (unit[0] >> 1) & 0x3F


def slice_qp(unit: bytes, grey: bool) -> int:
    """The QP that an IDR slice's header asks for (ITU-T H.265, 7.3.6.1), with SAO on and the PPS's QP at 26."""
    bits = "".join(f"{byte:08b}" for byte in unit[2:12])
    place = 2  # first_slice_segment_in_pic_flag, no_output_of_prior_pics_flag

    def exp_golomb() -> int:
        nonlocal place
        zeros = bits.index("1", place) - place
        value = int(bits[place + zeros : place + 2 * zeros + 1], 2) - 1
        place += 2 * zeros + 1
        return value

    assert exp_golomb() == 0, "slice_pic_parameter_set_id"
    assert exp_golomb() == 2, "slice_type is I"
    place += 1 if grey else 2  # slice_sao_luma_flag, slice_sao_chroma_flag
    code = exp_golomb()
    return 26 + ((code + 1) // 2 if code % 2 else -(code // 2))


@each_codec
@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
def test_the_best_quality_is_within_a_few_levels_of_a_smooth_picture(codec: PictureCodec, grey: bool) -> None:
    picture = smooth_picture(1, 128, 128, grey)
    decoded = codec.decode(codec.encode(picture, codec.qualities[-1]).data)
    assert decoded.dtype == np.uint8
    assert psnr_db(decoded, picture) > (50 if grey else 45), "a wrong chroma position alone costs 5 dB"
    difference = decoded.astype(np.float64) - picture
    assert np.abs(difference).max() <= (3 if grey else 8)
    assert np.abs(difference.mean(axis=(0, 1))).max() < 1.2, "a wrong matrix or range shifts colours"


@each_codec
@settings(max_examples=5, deadline=None)
@given(seed=seeds, grey=st.booleans())
def test_more_bytes_make_a_better_picture(codec: PictureCodec, seed: int, grey: bool) -> None:
    picture = smooth_picture(seed, grey=grey)
    last = len(codec.qualities) - 1
    coded = [codec.encode(picture, codec.qualities[last * part // 4]) for part in range(5)]
    bytes_ = [each.payload_bytes for each in coded]
    decibels = [psnr_db(codec.decode(each.data), picture) for each in coded]
    assert bytes_ == sorted(bytes_)
    assert bytes_[0] < bytes_[-1]
    # Chroma's 4:2:0 is a ceiling under which the highest qualities lie close together.
    assert all(better > worse - 0.1 for worse, better in zip(decibels, decibels[1:])), decibels
    assert decibels[-1] > decibels[0] + 6


@each_codec
@settings(max_examples=12, deadline=None)
@given(seed=seeds, height=sides, width=sides, grey=st.booleans())
def test_every_shape_comes_back(codec: PictureCodec, seed: int, height: int, width: int, grey: bool) -> None:
    picture = smooth_picture(seed, 70, 70, grey)[:height, :width]
    good = codec.qualities[9 * len(codec.qualities) // 10]
    decoded = codec.decode(codec.encode(picture, good).data)
    assert decoded.shape == picture.shape
    assert psnr_db(decoded, picture) > 20


@each_codec
def test_encoding_is_deterministic_and_counts_what_it_says(codec: PictureCodec) -> None:
    picture = smooth_picture(2, 100, 76)
    middle = codec.qualities[len(codec.qualities) // 2]
    coded = codec.encode(picture, middle)
    assert coded == codec.encode(picture, middle)
    if not isinstance(codec, HevcIntra):
        assert coded.payload_bytes == len(coded.data) - SHAPE_BYTES, "the whole file"


@pytest.mark.parametrize("grey", [False, True], ids=["colour", "grey"])
@pytest.mark.parametrize("qp", [51, 37, 26, 12, 0])
def test_an_hevc_still_is_three_parameter_sets_and_one_slice_at_the_qp_that_was_asked_for(qp: int, grey: bool) -> None:
    coded = HevcIntra().encode(smooth_picture(3, 64, 64, grey), qp)
    stream = coded.data[SHAPE_BYTES:]
    units = nal_units(stream)
    assert [nal_type(unit) for unit in units] == [VPS, SPS, PPS, IDR]
    assert [is_slice(unit) for unit in units] == [False, False, False, True]
    assert coded.payload_bytes == len(units[3])
    assert slice_qp(units[3], grey) == qp
    # Annex B: the long start code before parameter sets, the short one before the slice.
    assert stream == b"".join(b"\0\0\0\1" + unit for unit in units[:3]) + b"\0\0\1" + units[3]
    assert sum(len(unit) for unit in units[:3]) < 80


def test_hevc_parameter_sets_depend_on_the_size_alone_so_a_camera_sends_them_once() -> None:
    streams = [
        HevcIntra().encode(smooth_picture(seed), qp).data[SHAPE_BYTES:] for seed, qp in ((4, 45), (5, 20), (6, 3))
    ]
    first, *others = [nal_units(stream)[:3] for stream in streams]
    assert all(other == first for other in others)


def test_padding_repeats_the_edge_and_is_cheap() -> None:
    whole = smooth_picture(7, 64, 64)
    codec = HevcIntra()
    assert codec.encode(whole[:57, :61], 30).payload_bytes <= codec.encode(whole, 30).payload_bytes * 1.1


@each_codec
@pytest.mark.parametrize(
    ("picture", "reason"),
    [
        (np.zeros((16, 16, 3), np.float32), "uint8"),
        (np.zeros((16, 16, 4), np.uint8), r"\[H, W, 3\]"),
        (np.zeros((0, 16, 3), np.uint8), "sides"),
        (np.zeros((1, 8193), np.uint8), "sides"),
    ],
)
def test_what_is_no_picture_is_refused(codec: PictureCodec, picture: UInt8Array, reason: str) -> None:
    with pytest.raises(DataError, match=reason):
        codec.encode(picture, codec.qualities[0])


@each_codec
@pytest.mark.parametrize("quality", [-1, 101])
def test_qualities_that_the_codec_does_not_have_are_refused(codec: PictureCodec, quality: int) -> None:
    with pytest.raises(DataError, match="take one of"):
        codec.encode(smooth_picture(8), quality)


@each_codec
def test_bytes_that_are_no_picture_are_refused(codec: PictureCodec) -> None:
    data = codec.encode(smooth_picture(9), codec.qualities[-1]).data
    taller = bytes([0xFF, 0xFF]) + data[2:]
    for damaged in (b"", data[:3], data[:SHAPE_BYTES], data[:SHAPE_BYTES] + b"no picture at all", taller):
        with pytest.raises(DataError, match="give decode what encode made"):
            codec.decode(damaged)
