"""Decodes AVIF files.

    file --EXIF and XMP made unknown--> libavif --> pixels, and the turn that the file's own properties say

Law: EXIF says nothing about an AVIF's turn (ISO/IEC 23000-22), and what is broken in it refuses nothing.
"""

from __future__ import annotations

import io
import re

from PIL import Image

from edge_encoder.encoding.blocks import AVIF_BLOCKS
from edge_encoder.encoding.pictures.decoded import Stored, check_size, too_large
from edge_encoder.encoding.pictures.orientation import UPRIGHT
from shared.errors import ImageError

_EXIF_ORIENTATION = 0x0112
# An entry of the list of items: its version and number, and then its type. The list stands at the file's beginning.
_METADATA_ITEM = re.compile(rb"(infe\x02.{7}|infe\x03.{9})(?:Exif|mime)", re.DOTALL)
_LIST_BYTES = 1 << 16


def decode_avif(data: bytes) -> Stored:
    """Return the picture in an AVIF file, the first one of a sequence. Raises ImageError."""
    head, rest = data[:_LIST_BYTES], data[_LIST_BYTES:]
    image = _opened(_METADATA_ITEM.sub(rb"\1none", head) + rest)
    width, height = image.size
    check_size(width, height)
    try:
        image.load()
    except Exception as error:
        raise ImageError(f"the AVIF is damaged or truncated ({error}); send the whole file") from error
    # Pillow puts the turn of the file's properties where EXIF has it.
    return Stored(image, width, height, AVIF_BLOCKS, image.getexif().get(_EXIF_ORIENTATION, UPRIGHT))


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=("AVIF",))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(too_large("far more")) from error
    except Exception as error:
        raise ImageError("the AVIF is damaged or truncated: its header cannot be read; send the whole file") from error
