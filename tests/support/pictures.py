"""Pictures for tests: noise as a JPEG, a room whose corners differ, and a PNG that is smaller than it says."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
from PIL import Image

from tests.support.fixed_models import scattered_array

GREY, COLOUR = 0, 2


def png_that_claims(width: int, height: int, colour_type: int = COLOUR) -> bytes:
    """Return a PNG with a header of this size, and the pixels of one line at most."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, colour_type, 0, 0, 0)
    pixels = zlib.compress(bytes(64))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")


def room(width: int = 96, height: int = 64) -> Image.Image:
    """Return a picture whose corners differ, so that a turned one is another picture."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, 255 - across], axis=-1).astype(np.uint8))


def picture(number: int = 0, width: int = 48, height: int = 40) -> bytes:
    """Return a JPEG of noise, another one for each number."""
    noise = (scattered_array((height, width, 3), number + 1, 127) + 128).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()
