"""Decodes JPEG files as cameras send them, and says what is missing of them.

    file --read_structure--> what the decoder needs --libjpeg-turbo--> pixels, and its first warning
    where it warned: the same --continued in two ways--> the first row that differs --> whole rows --> Stored

How much of a picture is there is measured, because a decoder does not say. The data is decoded with two different
continuations. Where both give the same pixels, they came from the file.

Law: a picture about which the decoder warned is never given out as a whole one.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

import numpy as np
import simplejpeg
from numpy.typing import NDArray
from PIL import Image

from edge_encoder.encoding.blocks import jpeg_blocks
from edge_encoder.encoding.pictures.decoded import Stored, check_size, cut
from edge_encoder.encoding.pictures.jpeg_structure import JpegStructure, read_structure
from edge_encoder.encoding.pictures.orientation import orientation_of
from shared.contract.geometry import Damage, PictureDamage
from shared.errors import ImageError

# Neither holds a byte 0xFF, which would begin a marker.
_CONTINUATIONS = (
    bytes((37 * i * i + 11 * i + 5) % 251 for i in range(96)),
    bytes((101 * i * i + 57 * i + 170) % 253 for i in range(96)),
)
# Every other message of libjpeg-turbo is an error, also where TurboJPEG calls it a warning: the message of an error
# takes the place of a warning's that came before.
_WARNING = re.compile(
    "Premature end of JPEG file|Corrupt JPEG data: |Inconsistent progression sequence|Invalid SOS parameters|"
    "Unknown Adobe color transform|Warning: unknown JFIF revision"
)
_ENDS_EARLY = "premature end"
_UNKNOWN_SAMPLING = "Could not determine subsampling"
_CMYK_COMPONENTS = 4
_LARGE_PIXELS = 8_000_000


@dataclass(frozen=True, eq=False)
class _Decoded:
    """What the decoder made of the data. warning: its first one, empty where there was none.

    tells_warnings: False where the decoder keeps its warnings to itself.
    """

    pixels: NDArray[np.uint8]
    warning: str
    tells_warnings: bool = True


def decode_jpeg(data: bytes, smallest_side: int) -> Stored:
    """Return the picture in a JPEG file. Raises ImageError.

    smallest_side: the picture is decoded at an eighth, a quarter or half its size where both sides keep so many pixels.
    """
    structure = read_structure(data)
    check_size(structure.frame.width, structure.frame.height)
    divisor = _divisor(structure, smallest_side)
    while True:
        decoded = _decode(structure, divisor)
        if structure.scans.has_end and decoded.tells_warnings and not decoded.warning:
            damage = structure.damage
            break
        try:
            damage = _damage(structure, decoded)
            break
        except ImageError:
            # Bytes in the midst of the data may look like its end.
            if (longer := structure.beyond_its_end()) is None:
                raise
            structure = longer
    orientation = orientation_of(structure.exif, structure.xmp)
    frame = structure.frame
    blocks = jpeg_blocks(frame.sampling, divisor, frame.is_progressive)
    return Stored(_image(structure, decoded.pixels), frame.width, frame.height, blocks, orientation, damage)


def _divisor(structure: JpegStructure, smallest_side: int) -> int:
    """Return the largest of 8, 4, 2 and 1 that leaves each side its smallest length, as Pillow's `draft` does."""
    fits = min(structure.frame.width, structure.frame.height) // smallest_side
    return next((divisor for divisor in (8, 4, 2) if divisor <= fits), 1)


def _decode(structure: JpegStructure, divisor: int, continuation: bytes = b"") -> _Decoded:
    """Decode at a fraction of the size. continuation: bytes that follow the data in its last scan."""
    height, width = -(-structure.frame.height // divisor), -(-structure.frame.width // divisor)
    space, channels = ("CMYK", 4) if len(structure.frame.components) == _CMYK_COMPONENTS else ("RGBX", 4)
    pixels = np.empty((height, width, channels), np.uint8)
    try:
        simplejpeg.decode_jpeg(
            structure.file(continuation), space, min_height=height, min_width=width, buffer=pixels, strict=True
        )
    except Exception as error:
        if _UNKNOWN_SAMPLING in str(error):
            return _decode_with_pillow(structure, divisor, continuation)
        # A warning is raised when the whole picture is in the buffer.
        if not _WARNING.search(str(error)):
            raise ImageError(f"the JPEG is damaged ({error}); send the whole file") from error
        return _Decoded(pixels, str(error))
    return _Decoded(pixels, "")


def _decode_with_pillow(structure: JpegStructure, divisor: int, continuation: bytes) -> _Decoded:
    """Decode a JPEG whose sampling TurboJPEG has no name for. libjpeg itself takes it, but Pillow hides its warnings."""
    try:
        with Image.open(io.BytesIO(structure.file(continuation)), formats=("JPEG",)) as image:
            if divisor > 1:
                image.draft(None, (structure.frame.width // divisor, structure.frame.height // divisor))
            image.load()
            if len(structure.frame.components) == _CMYK_COMPONENTS:
                return _Decoded(np.subtract(255, np.asarray(image)), "", tells_warnings=False)
            return _Decoded(np.asarray(image.convert("RGB").convert("RGBX")), "", tells_warnings=False)
    except Exception as error:
        raise ImageError(f"the JPEG is damaged ({error}); send the whole file") from error


def _damage(structure: JpegStructure, decoded: _Decoded) -> PictureDamage | None:
    """Return what is wrong with a picture that has no end, or about which the decoder may have warned. Raises ImageError."""
    warning, no_end = decoded.warning, PictureDamage(Damage.NO_END, "the JPEG has no end mark")
    if decoded.tells_warnings and not warning and not structure.frame.is_arithmetic:
        return structure.damage or no_end
    rows = -(-structure.frame.height // structure.frame.block_row_pixels)
    missing = rows - _whole_rows(structure)
    if _ENDS_EARLY in warning and not structure.scans.has_end:
        # Of the block that was cut, the mean may be there.
        missing = max(1, missing)
    if missing > 0 and not structure.scans.has_end:
        return cut(missing, rows)
    # Data that ends too early, and yet has an end, went wrong before. What a later scan lacks is detail alone.
    if missing > 0 and structure.scans.is_only_one:
        return PictureDamage(Damage.CORRUPT, f"{warning or 'the data ends too early'}; {cut(missing, rows).detail}")
    if warning:
        return PictureDamage(Damage.CORRUPT, warning)
    return structure.damage or (None if structure.scans.has_end else no_end)


def _whole_rows(structure: JpegStructure) -> int:
    """Return how many block rows, from the top, hang on the file's data alone."""
    # The mean of each block is enough, unless a later scan refines what an earlier one has drawn.
    is_large = structure.frame.width * structure.frame.height > _LARGE_PIXELS
    divisor = 8 if structure.scans.is_only_one else 2 if is_large else 1
    shown = _decode(structure, divisor)
    first = len(shown.pixels)
    differs: NDArray[np.bool_] = np.zeros((0, 1), np.bool_)
    for continuation in _CONTINUATIONS:
        other = _decode(structure, divisor, structure.scans.continued(continuation))
        differing = (shown.pixels[: first + 1] != other.pixels[: first + 1]).any(axis=2)
        if differing.any():
            first, differs = int(differing.any(axis=1).argmax()), differing
    if first == len(shown.pixels):
        return -(-structure.frame.height // structure.frame.block_row_pixels)
    if divisor < 8:
        # Smooth upsampling carries a row's colours into the last pixels of the row above.
        return (first + 1) * divisor // structure.frame.block_row_pixels
    whole = first * divisor // structure.frame.block_row_pixels
    # Where a row lacks its first block already, of the last block before it no more than the mean is known.
    return max(0, whole - 1) if differs[first, 0] else whole


def _image(structure: JpegStructure, pixels: NDArray[np.uint8]) -> Image.Image:
    size = (pixels.shape[1], pixels.shape[0])
    if len(structure.frame.components) == _CMYK_COMPONENTS:
        # Adobe's programs write CMYK inverted, and there are hardly any others that write it.
        return Image.frombuffer("CMYK", size, np.subtract(255, pixels), "raw", "CMYK", 0, 1)
    return Image.frombuffer("RGB", size, pixels, "raw", "RGBX", 0, 1)
