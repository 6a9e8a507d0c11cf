"""The picture codecs that the experiments compare with: HEVC intra as BPG uses it (paper 4.5, [2]), JPEG, WebP and AVIF.

    picture uint8 [H, W, 3] or [H, W] --encode(picture, quality)--> CodedPicture --decode(CodedPicture.data)--> picture

Law: the same picture and quality give the same bytes, and decoding gives a picture of the same shape. Colour is coded as 4:2:0, eight bits,
BT.601 in full range, a grey picture as luma alone. What is counted (`payload_bytes`) differs, and each class says how: the HEVC stream
without what a camera would send once, the other formats as whole files. The five bytes of shape in front of `data` are never counted.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar, Protocol

import av
import numpy as np
from av.video.reformatter import ColorRange, Colorspace, Interpolation
from numpy.typing import NDArray
from PIL import Image

from training.datasets.frame import DataError

UInt8Array = NDArray[np.uint8]

_SHAPE = struct.Struct(">HHB")  # height, width, channels (0: grey)
_MAXIMUM_SIDE_PX = 8192


@dataclass(frozen=True)
class CodedPicture:
    """One coded picture: `data` is what decode needs, `payload_bytes` how many bytes of it count as its rate."""

    data: bytes
    payload_bytes: int


class PictureCodec(Protocol):
    """A codec with one knob. `qualities` are all values of the knob, from the fewest bytes to the most."""

    @property
    def name(self) -> str:
        """The codec's name in tables and figures."""

    @property
    def qualities(self) -> tuple[int, ...]:
        """Every quality that encode takes; a sweep takes some of them."""

    def encode(self, picture: UInt8Array, quality: int) -> CodedPicture:
        """Code a picture uint8 [H, W, 3] RGB or [H, W] grey, sides 1..8192 pixels; raises DataError for anything else."""

    def decode(self, data: bytes) -> UInt8Array:
        """The picture of `CodedPicture.data`, uint8, of the shape that was coded; raises DataError where there is none."""


class HevcIntra:
    """BPG's method: one intra frame of x265 at a constant QP; the quality is the QP (51 coarsest, 0 finest) of every block.

    x265's choices are bpgenc's (libbpg, x265_glue.c): all intra, no psycho-visual decisions (which is what remains of tune "ssim" at
    a constant QP), no SEI; preset "slower", since bpgenc's "placebo" gave the same sizes to 1 %. But bpgenc's `-q N` is not the
    frame's QP: it asks for N + 1, and x265 lowers an I frame by three.

    Counted: the slice's NAL unit, without its start code, as BPG's file has it. Left out are the parameter sets (VPS, SPS, PPS; about
    80 bytes): they are the same for every frame of one size, and a camera would send them once. Nor is BPG's own header, some ten bytes.
    """

    name = "hevc-intra"
    qualities = tuple(range(51, -1, -1))

    # One thread and no look-ahead: a still has nothing to wait for, and threads would cost more than they save. chromaloc=1 says that
    # chroma lies between the pixels, as swscale puts it; without, decoding would shift colours by half a pixel (5 dB at QP 0).
    _PARAMETERS: ClassVar[str] = (
        "keyint=1:chromaloc=1:ipratio=1:aq-mode=0:cutree=0:psy-rd=0:psy-rdoq=0:rc-lookahead=0:bframes=0"
        ":info=0:pools=none:frame-threads=1:wpp=0:log-level=error"
    )
    _MINIMUM_SIDE_PX: ClassVar[int] = 16
    _CODING_BLOCK_PX: ClassVar[int] = 8

    def encode(self, picture: UInt8Array, quality: int) -> CodedPicture:
        """As PictureCodec; `quality` is the QP. Sides are padded to multiples of 8, at least 16, with the edge's pixels."""
        _check(self, picture, quality)
        frame = _to_yuv(self._padded(picture))
        stream = self._stream(frame, quality)
        payload = sum(len(unit) for unit in nal_units(stream) if is_slice(unit))
        return CodedPicture(_shape_bytes(picture) + stream, payload)

    def decode(self, data: bytes) -> UInt8Array:
        """As PictureCodec; the padding is cut off."""
        shape, stream = _split(data)
        context = av.CodecContext.create("hevc", "r")
        context.thread_count = 1
        try:
            frames = [*context.decode(av.Packet(stream)), *context.decode(None)]
        except av.FFmpegError as error:
            raise DataError(
                f"these bytes are no HEVC picture ({error.strerror}); give decode what encode made"
            ) from error
        if len(frames) != 1:
            raise DataError(f"an HEVC still holds one picture, not {len(frames)}; give decode what encode made")
        decoded = _from_yuv(frames[0], grey=len(shape) == 2)
        cut = decoded[: shape[0], : shape[1]]
        if cut.shape != shape:
            raise DataError(f"the picture is {decoded.shape}, too small for {shape}; give decode what encode made")
        return np.ascontiguousarray(cut)

    def _padded(self, picture: UInt8Array) -> UInt8Array:
        block = self._CODING_BLOCK_PX
        coded = [max(self._MINIMUM_SIDE_PX, -(-side // block) * block) for side in picture.shape[:2]]
        margins = [(0, whole - side) for whole, side in zip(coded, picture.shape[:2], strict=True)]
        return np.pad(picture, margins + [(0, 0)] * (picture.ndim - 2), mode="edge")

    def _stream(self, frame: av.VideoFrame, qp: int) -> bytes:
        """The Annex B byte stream of one frame. An encoder has to be opened for each: x265 cannot change its QP."""
        context = av.CodecContext.create("libx265", "w")
        context.width, context.height, context.pix_fmt = frame.width, frame.height, frame.format.name
        context.time_base = context.framerate = Fraction(1, 1)
        # The stream says which colours it holds, so that any player shows it as decode does.
        context.color_range, context.colorspace = int(ColorRange.JPEG), int(Colorspace.ITU601)
        context.thread_count = 1
        context.options = {"preset": "slower", "x265-params": f"qp={qp}:{self._PARAMETERS}"}
        frame.pts, frame.time_base = 0, context.time_base
        return b"".join(bytes(packet) for packet in [*context.encode(frame), *context.encode(None)])


def nal_units(stream: bytes) -> list[bytes]:
    """The NAL units of an HEVC byte stream, without start codes (ITU-T H.265, Annex B)."""
    return re.split(rb"\x00?\x00\x00\x01", stream)[1:]


def is_slice(unit: bytes) -> bool:
    """Return True for a NAL unit with picture data (types 0..31): no parameter set, no SEI (ITU-T H.265, table 7-1)."""
    return (unit[0] >> 1) & 0x3F < 32


class _PillowCodec:
    """A file format that Pillow writes, counted as the whole file; subclasses say which."""

    name: str
    qualities: tuple[int, ...]
    _format: str
    _options: ClassVar[Mapping[str, object]]

    def encode(self, picture: UInt8Array, quality: int) -> CodedPicture:
        """As PictureCodec; `quality` is the format's own number."""
        _check(self, picture, quality)
        file = io.BytesIO()
        Image.fromarray(picture).save(file, self._format, quality=quality, **self._options)
        return CodedPicture(_shape_bytes(picture) + file.getvalue(), file.tell())

    def decode(self, data: bytes) -> UInt8Array:
        """As PictureCodec."""
        shape, file = _split(data)
        try:
            with Image.open(io.BytesIO(file), formats=[self._format]) as image:
                picture = np.array(image.convert("L" if len(shape) == 2 else "RGB"))
        # Pillow's decoders use SyntaxError for broken files, too.
        except (OSError, SyntaxError, ValueError) as error:
            raise DataError(
                f"these bytes are no {self._format} file ({error}); give decode what encode made"
            ) from error
        if picture.shape != shape:
            raise DataError(f"the file's picture is {picture.shape}, not {shape}; give decode what encode made")
        return picture


class Jpeg(_PillowCodec):
    """Baseline JPEG (libjpeg-turbo) with optimised Huffman tables; quality 1..95, above which files only grow (Pillow's documentation).

    The whole file is counted. 300 to 380 bytes of it are headers and tables: of 256x256 rooms 26 % at quality 1, 3 % at 75.
    """

    name = "jpeg"
    qualities = tuple(range(1, 96))
    _format = "JPEG"
    _options: ClassVar[Mapping[str, object]] = {"optimize": True, "subsampling": "4:2:0"}


class Webp(_PillowCodec):
    """Lossy WebP (libwebp, the slowest method), the whole file counted: its container is 20 of its bytes. Grey is colour with empty chroma.

    WebP knows BT.601 in the limited range only, so it is the one codec here that does not use all 256 levels.
    """

    name = "webp"
    qualities = tuple(range(101))
    _format = "WEBP"
    _options: ClassVar[Mapping[str, object]] = {"method": 6}


class Avif(_PillowCodec):
    """AVIF (libaom, intra AV1), the whole file counted: its container is about 275 bytes, 38 % of 256x256 rooms at quality 0.

    Tuned for PSNR, which saves about 5 % at equal PSNR against libavif's default tuning and reaches lower rates (by a third at quality 0).
    Speed 4 saves 5 to 10 % against the default 6; speed 2 saved 3 % more in three times the time. Some qualities may give the same bytes.
    """

    name = "avif"
    qualities = tuple(range(101))
    _format = "AVIF"
    # The chroma format is Pillow's default: 4:2:0 for colour and 4:0:0 for grey.
    _options: ClassVar[Mapping[str, object]] = {
        "speed": 4,
        "codec": "aom",
        "max_threads": 1,
        "advanced": {"tune": "psnr"},
    }


def _check(codec: PictureCodec, picture: UInt8Array, quality: int) -> None:
    grey_or_colour = picture.ndim == 2 or (picture.ndim == 3 and picture.shape[2] == 3)
    if picture.dtype != np.uint8 or not grey_or_colour:
        raise DataError(
            f"a picture is uint8 [H, W, 3] or [H, W], not {picture.dtype} {picture.shape}; convert it first"
        )
    if not all(1 <= side <= _MAXIMUM_SIDE_PX for side in picture.shape[:2]):
        raise DataError(
            f"a picture's sides are 1 to {_MAXIMUM_SIDE_PX} pixels, not {picture.shape[:2]}; resize it first"
        )
    if quality not in codec.qualities:
        lowest, highest = min(codec.qualities), max(codec.qualities)
        raise DataError(f"{codec.name} has no quality {quality}; take one of {lowest} to {highest}")


def _shape_bytes(picture: UInt8Array) -> bytes:
    return _SHAPE.pack(*picture.shape[:2], 3 if picture.ndim == 3 else 0)


def _split(data: bytes) -> tuple[tuple[int, ...], bytes]:
    if len(data) < _SHAPE.size:
        raise DataError(f"{len(data)} bytes are too few for a coded picture; give decode what encode made")
    height, width, channels = _SHAPE.unpack_from(data)
    return (height, width, channels) if channels else (height, width), data[_SHAPE.size :]


# swscale's default shortcuts repeat chroma and cut off fractions: 4 to 5 dB on an uncompressed picture.
_SCALING = (
    Interpolation.BICUBIC
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.FULL_CHR_H_INP
    | Interpolation.ACCURATE_RND
    | Interpolation.BITEXACT
)


def _to_yuv(picture: UInt8Array) -> av.VideoFrame:
    if picture.ndim == 2:
        return av.VideoFrame.from_ndarray(picture, format="gray")
    return av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
        format="yuv420p",
        dst_colorspace=Colorspace.ITU601,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=_SCALING,
        threads=1,
    )


def _from_yuv(frame: av.VideoFrame, grey: bool) -> UInt8Array:
    """uint8 [H, W] or [H, W, 3] of a decoded frame, whose levels are taken as they are: encode wrote the full range."""
    if grey:
        return frame.to_ndarray().astype(np.uint8, copy=False)
    rgb = frame.reformat(
        format="rgb24",
        src_colorspace=Colorspace.ITU601,
        src_color_range=ColorRange.JPEG,
        dst_color_range=ColorRange.JPEG,
        interpolation=_SCALING,
        threads=1,
    )
    return rgb.to_ndarray().astype(np.uint8, copy=False)
