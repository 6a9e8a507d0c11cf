"""What a camera posts: the picture, the capture time and the trace context.

    bytes --preprocess--> Frame           text --capture_time_us--> microseconds --rfc3339--> the same time     text --packed--> 26 bytes

Law: a picture is a frame of the input's size or an ImageError, a time is one that the wire can say or a BadRequest, and what is no trace
context is none; none of it takes longer than the deadline, whatever size a header claims.
Law: a refusal is meant: it comes of what a decoder says of the data, and never of a fault in how it was asked.
"""

from __future__ import annotations

import io
import warnings
import zlib
from collections.abc import Sequence
from random import Random

import numpy as np
from PIL import Image

from edge_encoder.encoding.preprocess import preprocess
from edge_encoder.ingest.http_answers import capture_time_us, rfc3339
from shared.contract.geometry import InputSize
from shared.contract.trace_context import packed, traceparent
from shared.errors import BadRequest, ImageError
from tests.trials.fuzz.mutation import mutated
from tests.trials.fuzz.target import LawBroken, Target

_INPUT = InputSize(32, 32)
_PICTURE, _TIME, _TRACE = range(3)
_FAULTS = (NameError, AttributeError, IndexError, KeyError, AssertionError, RecursionError, UnboundLocalError)
"""What no decoder raises on purpose; a ValueError or TypeError of Pillow's may be meant."""
_PNG = b"\x89PNG\r\n\x1a\n"


class IngestTarget(Target):
    """The first byte says what the others are."""

    name = "ingest"
    longest = 8192
    # The largest picture that is taken has 64 million pixels, and is a few of them while it is turned and made opaque.
    most_rss_mebibytes = 3072
    deadline_seconds = 30

    def __init__(self) -> None:
        self._seeds = [bytes([_PICTURE]) + data for data in _pictures()]
        self._seeds += [bytes([_TIME]) + text for text in (b"2026-03-01T12:00:00.25Z", b"1772366400.25", b"0")]
        self._seeds += [bytes([_TRACE]) + b"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]

    def seeds(self) -> Sequence[bytes]:
        return self._seeds

    def run(self, data: bytes) -> bool:
        kind, content = data[:1], data[1:]
        if kind == bytes([_TIME]):
            return _time(content.decode("latin-1"))
        if kind == bytes([_TRACE]):
            return _trace(content.decode("latin-1"))
        return _picture(content)

    def mutate(self, data: bytes, random: Random) -> bytes:
        if data[1:9] != _PNG or random.randrange(4) == 0:
            return super().mutate(data, random)
        return data[:1] + _png_changed(data[1:], random)


def _picture(content: bytes) -> bool:
    try:
        with warnings.catch_warnings():
            # Pillow warns of what it mends; the edge's log says nothing of it either.
            warnings.simplefilter("ignore")
            frame = preprocess(content, _INPUT)
    except ImageError as error:
        if isinstance(error.__cause__, _FAULTS):
            raise LawBroken(f"a picture was refused for {error.__cause__!r}") from error
        return False
    if frame.pixels.shape != (32, 32, 3) or frame.pixels.dtype != np.uint8:
        raise LawBroken(f"a frame of {frame.pixels.dtype} {frame.pixels.shape}")
    return True


def _time(text: str) -> bool:
    try:
        time_us = capture_time_us(text)
    except BadRequest:
        return False
    if capture_time_us(rfc3339(time_us)) != time_us:
        raise LawBroken(f"{text!r} is {time_us}, which is written {rfc3339(time_us)}")
    return True


def _trace(text: str) -> bool:
    context = packed(text)
    if context and packed(traceparent(context)) != context:
        raise LawBroken(f"{text!r} is packed as {context.hex()}, which is written {traceparent(context)}")
    return bool(context)


def _pictures() -> list[bytes]:
    grey = np.add.outer(np.arange(20), np.arange(24)) * 5
    picture = Image.fromarray(np.stack([grey, grey[::-1], 255 - grey], axis=2).astype(np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    made = [
        _saved(picture, "JPEG", exif=exif),
        _saved(picture, "JPEG", progressive=True),
        _saved(picture.convert("CMYK"), "JPEG"),
        _saved(picture, "WEBP"),
        _saved(picture.convert("RGBA"), "WEBP", lossless=True),
        _saved(picture, "WEBP", save_all=True, append_images=[picture.rotate(180)]),
        _saved(picture, "PNG", exif=exif),
        _saved(Image.fromarray(grey.astype(np.uint16) * 257), "PNG"),
    ]
    whole = _saved(picture.resize((48, 96)), "JPEG", restart_marker_rows=1, exif=exif)
    made += [
        whole[:-2],
        whole[:-20],
        b"\r\n--b\r\nContent-Type: image/jpeg\r\n\r\n" + whole + b"\r\n--b--\r\n",
        _saved(picture, "AVIF"),
        _saved(picture, "GIF"),
        b"<!DOCTYPE html><title>no picture</title>",
    ]
    return made + [_saved(picture.convert(mode), "PNG") for mode in ("RGBA", "LA", "P", "L", "1")]


def _saved(picture: Image.Image, form: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


def _png_changed(data: bytes, random: Random) -> bytes:
    """Change, double or leave out one chunk and mend its check sum; pixels are changed below their compression, too."""
    chunks: list[tuple[bytes, bytes]] = []
    at = len(_PNG)
    while at + 8 <= len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        chunks.append((data[at + 4 : at + 8], data[at + 8 : at + 8 + size]))
        at += 12 + size
    if not chunks:
        return mutated(data, random, _PNG)
    place = random.randrange(len(chunks))
    kind, content = chunks[place]
    match random.randrange(6):
        case 0:
            chunks.insert(place, chunks[random.randrange(len(chunks))])
        case 1:
            del chunks[place]
        case 2 if kind == b"IDAT":
            try:
                pixels = zlib.decompressobj().decompress(content, 1 << 16)
            except zlib.error:
                pixels = b""
            chunks[place] = kind, zlib.compress(mutated(pixels, random, content), 1)
        case _:
            chunks[place] = kind, mutated(content, random, b"tEXteXIfiCCPacTL")
    return _PNG + b"".join(
        len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")
        for kind, content in chunks
    )
