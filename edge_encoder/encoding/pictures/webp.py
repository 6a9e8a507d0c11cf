"""Decodes WebP files.

    file --chunks--> the first picture's (kept)    EXIF, XMP (read)    profiles and unknown chunks (left out)

The file's own length is written anew: encoders and transports get it wrong. libwebp decodes whole data alone, so a
truncated picture is refused.

Law: no chunk but the picture's own reaches the decoder.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field

from PIL import Image

from edge_encoder.encoding.blocks import WEBP_BLOCKS
from edge_encoder.encoding.pictures.decoded import Stored, check_size, too_large
from edge_encoder.encoding.pictures.orientation import orientation_of
from shared.errors import ImageError

_MOST_CHUNKS = 4096
_PICTURES = (b"VP8 ", b"VP8L", b"ANMF")
_KEPT = (b"VP8X", b"ALPH", b"ANIM", *_PICTURES)
_ALPHA_AND_ANIMATION = 0x10 | 0x02


@dataclass(eq=False)
class _WebpChunks:
    """What is kept of a file. is_cut: a picture's chunk runs over the end. picture: whether a whole one came."""

    kept: list[bytes] = field(default_factory=list)
    exif: bytes = b""
    xmp: bytes = b""
    has_picture: bool = False
    missing_bytes: int = 0


def decode_webp(data: bytes) -> Stored:
    """Return the picture in a WebP file, the first one of an animation. Raises ImageError."""
    chunks = _chunks(data)
    if not chunks.has_picture:
        there = (
            f"{chunks.missing_bytes} bytes of its pixels are missing" if chunks.missing_bytes else "it has no pixels"
        )
        raise ImageError(f"the WebP is damaged or truncated: {there}; send the whole file")
    body = b"WEBP" + b"".join(chunks.kept)
    image = _opened(b"RIFF" + len(body).to_bytes(4, "little") + body)
    width, height = image.size
    check_size(width, height)
    try:
        image.load()
    except Exception as error:
        raise ImageError(f"the WebP is damaged or truncated ({error}); send the whole file") from error
    return Stored(image, width, height, WEBP_BLOCKS, orientation_of(chunks.exif, chunks.xmp))


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=("WEBP",))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(too_large("far more")) from error
    except Exception as error:
        raise ImageError("the WebP is damaged or truncated: its header cannot be read; send the whole file") from error


def _chunks(data: bytes) -> _WebpChunks:
    found = _WebpChunks()
    at = 12
    for _ in range(_MOST_CHUNKS):
        kind, size = data[at : at + 4], int.from_bytes(data[at + 4 : at + 8], "little")
        end = at + 8 + size
        if len(kind) < 4:
            break
        content = data[at + 8 : end]
        if kind in _PICTURES and end > len(data):
            found.missing_bytes = found.missing_bytes or end - len(data)
            break
        if kind == b"EXIF":
            found.exif = content
        elif kind == b"XMP ":
            found.xmp = content
        elif kind in _KEPT and not found.has_picture:
            if kind == b"VP8X" and content:
                content = bytes([content[0] & _ALPHA_AND_ANIMATION]) + content[1:]
            found.kept.append(kind + len(content).to_bytes(4, "little") + content + b"\0" * (len(content) % 2))
            found.has_picture = kind in _PICTURES
        at = end + size % 2
    return found
