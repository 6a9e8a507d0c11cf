"""Decodes PNG files, and says what is missing of them.

    file --chunks--> header, palette, transparency, pixel data (kept)    EXIF, XMP (read)    all other chunks (left out)

No other chunk reaches the decoder, so that none can refuse whole pixels, whatever its size or its check sum.
Where the pixel data ends too early or cannot be inflated, its whole rows are counted and the last of them is repeated.

Law: the pixel data is inflated to no more than its header says, and metadata to no more than `XMP_LONGEST_BYTES`.
"""

from __future__ import annotations

import io
import re
import zlib
from dataclasses import dataclass, field

from PIL import Image

from edge_encoder.encoding.blocks import PNG_BLOCKS
from edge_encoder.encoding.pictures.decoded import PNG_BLOCK_ROWS, Stored, check_size, cut, too_large
from edge_encoder.encoding.pictures.orientation import XMP_LONGEST_BYTES, orientation_of
from shared.contract.geometry import Damage, PictureDamage
from shared.errors import ImageError

SIGNATURE = b"\x89PNG\r\n\x1a\n"

_MOST_CHUNKS = 1 << 16
_MOST_PLACES = 16
_CHUNK_FRAME_BYTES = 12
_HEADER_BYTES = 13
_CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
_UP = 2
"""The row filter that adds the row above; with zeros it repeats that row."""
_STEP_BYTES = 4096
_WANTED = re.compile(rb"PLTE|IDAT")
_END = b"\0\0\0\0IEND\xaeB`\x82"
_XMP_KEYWORD = b"XML:com.adobe.xmp\0"
_RAW_EXIF_KEYWORDS = (b"Raw profile type exif\0", b"Raw profile type APP1\0")


@dataclass(eq=False)
class _PngChunks:
    """What is kept of a file. before: whole chunks. pixels: those with pixel data. has_end: they are all there."""

    before: list[bytes] = field(default_factory=list)
    pixels: list[bytes] = field(default_factory=list)
    exif: bytes = b""
    xmp: bytes = b""
    has_end: bool = False


@dataclass(frozen=True)
class _Header:
    width: int
    height: int
    row_bytes: int
    is_interlaced: bool
    colour_type: int


def decode_png(data: bytes) -> Stored:
    """Return the picture in a PNG file. Raises ImageError."""
    chunks = _chunks(data)
    header = _header(chunks)
    check_size(header.width, header.height)
    orientation = orientation_of(chunks.exif, chunks.xmp)
    image = _decoded(chunks.before, chunks.pixels)
    if image is not None:
        damage = None if chunks.has_end else PictureDamage(Damage.NO_END, "the PNG has no end chunk")
        return Stored(image, header.width, header.height, PNG_BLOCKS, orientation, damage)
    pixels, damage = _mended(header, b"".join(chunk[8:-4] for chunk in chunks.pixels))
    mended = _decoded(chunks.before, [_chunk(b"IDAT", zlib.compress(pixels, 0))])
    if mended is None:
        raise ImageError("the PNG is damaged: its header and its pixels do not belong together; send the whole file")
    return Stored(mended, header.width, header.height, PNG_BLOCKS, orientation, damage)


def _decoded(before: list[bytes], pixels: list[bytes]) -> Image.Image | None:
    """Return the decoded picture, None where the pixel data is damaged. Raises ImageError for a broken header."""
    try:
        image = Image.open(io.BytesIO(b"".join((SIGNATURE, *before, *pixels, _END))), formats=("PNG",))
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(too_large("far more")) from error
    except Exception as error:
        raise ImageError(f"the PNG's header or palette is damaged ({error}); send the whole file") from error
    if image.mode == "P" and image.palette is None:
        raise ImageError("the PNG's pixels are places in a palette, and it has none; send the whole file")
    try:
        image.load()
    except Exception:
        # Pillow's decoders raise nearly any exception for damaged data.
        return None
    return image


def _chunks(data: bytes) -> _PngChunks:
    """Return what the decoder needs; a chunk that is cut off counts as far as it goes."""
    kept = _PngChunks()
    at = len(SIGNATURE)
    ancillary = at
    for _ in range(_MOST_CHUNKS):
        size, kind = int.from_bytes(data[at : at + 4], "big"), data[at + 4 : at + 8]
        end = at + _CHUNK_FRAME_BYTES + size
        is_cut = end > len(data)
        if len(kind) < 4 or not kind.isalpha() or kind == b"IEND" or (is_cut and kind != b"IDAT"):
            kept.has_end = kind == b"IEND"
            if kept.pixels or (at := _place_of_pixels(data, ancillary)) < 0:
                break
            # The length of an ancillary chunk is wrong, and hid the pixels.
            ancillary = at + 8
            continue
        if kind[:1].islower() and ancillary == len(SIGNATURE):
            ancillary = at + 8
        _keep(kept, kind, _chunk(kind, data[at + 8 : end]) if is_cut else data[at:end])
        at = end
    return kept


def _place_of_pixels(data: bytes, since: int) -> int:
    """Return the next chunk that is a palette or pixels, by its check sum or because the file ends in it; -1 for none."""
    for _, found in zip(range(_MOST_PLACES), _WANTED.finditer(data, since), strict=False):
        at = found.start() - 4
        size = int.from_bytes(data[at : at + 4], "big")
        end = at + _CHUNK_FRAME_BYTES + size
        if end > len(data) or zlib.crc32(data[at + 4 : end - 4]) == int.from_bytes(data[end - 4 : end], "big"):
            return at
    return -1


def _keep(kept: _PngChunks, kind: bytes, chunk: bytes) -> None:
    content = chunk[8:-4]
    if kind == b"IDAT":
        kept.pixels.append(chunk)
    elif kind == b"eXIf":
        kept.exif = kept.exif or content
    elif kind in (b"iTXt", b"zTXt", b"tEXt"):
        _keep_text(kept, kind, content)
    elif kept.pixels:
        # After the pixels only metadata is of use.
        return
    elif (kind == b"IHDR" and not kept.before) or (kind == b"PLTE" and kept.before):
        kept.before.append(chunk)
    elif kind == b"tRNS" and kept.before and _is_transparency(kept.before, content):
        # Its check sum is made anew: an ancillary chunk's never refuses a picture.
        kept.before.append(_chunk(kind, content))


def _chunk(kind: bytes, content: bytes) -> bytes:
    return len(content).to_bytes(4, "big") + kind + content + zlib.crc32(kind + content).to_bytes(4, "big")


def _is_transparency(before: list[bytes], content: bytes) -> bool:
    """Return whether a tRNS chunk is as long as the picture's kind of colour wants it."""
    colour_type = before[0][17] if len(before[0]) > 17 else None
    if colour_type == 3:
        palette = next((chunk for chunk in before if chunk[4:8] == b"PLTE"), b"")
        return 0 < len(content) <= (len(palette) - _CHUNK_FRAME_BYTES) // 3
    return len(content) == {0: 2, 2: 6}.get(colour_type if colour_type is not None else -1)


def _keep_text(kept: _PngChunks, kind: bytes, content: bytes) -> None:
    """Keep XMP, and EXIF as ImageMagick writes it."""
    if kind == b"iTXt" and content.startswith(_XMP_KEYWORD):
        rest = content[len(_XMP_KEYWORD) :]
        is_compressed, text = rest[:1] == b"\1", rest[2:].split(b"\0", 2)[-1]
        kept.xmp = kept.xmp or (_inflated(text) if is_compressed else text[:XMP_LONGEST_BYTES])
    for keyword in _RAW_EXIF_KEYWORDS:
        if content.startswith(keyword):
            text = content[len(keyword) :]
            raw = _inflated(text[1:]) if kind == b"zTXt" else text[:XMP_LONGEST_BYTES]
            try:
                # Three lines (a name and a length among them) stand before the hexadecimal digits.
                kept.exif = kept.exif or bytes.fromhex(b"".join(raw.split(b"\n")[3:]).decode("ascii"))
            except ValueError:
                continue


def _inflated(data: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(data, XMP_LONGEST_BYTES)
    except zlib.error:
        return b""


def _header(chunks: _PngChunks) -> _Header:
    if not chunks.before or len(chunks.before[0]) != _HEADER_BYTES + _CHUNK_FRAME_BYTES:
        raise ImageError("the PNG ends or breaks before its header; send the whole file")
    if not chunks.pixels:
        raise ImageError("the PNG ends or breaks before its first pixel; send the whole file")
    content = chunks.before[0][8:-4]
    width, height = int.from_bytes(content[:4], "big"), int.from_bytes(content[4:8], "big")
    bits = content[8] * _CHANNELS.get(content[9], 0)
    return _Header(width, height, 1 + (width * bits + 7) // 8, content[12] != 0, content[9])


def _mended(header: _Header, compressed: bytes) -> tuple[bytes, PictureDamage]:
    """Return all rows, the last whole one repeated for those that are missing. Raises ImageError where too many are."""
    whole_bytes = header.row_bytes * header.height
    found = _inflated_as_far_as_it_goes(compressed, whole_bytes)
    if header.is_interlaced and len(found) < whole_bytes:
        raise ImageError(
            f"the interlaced PNG is damaged or truncated: {100 * len(found) // whole_bytes} % of its pixel data is there, "
            "and its rows need all of it; send the whole file"
        )
    there = len(found) // header.row_bytes
    missing = header.height - there
    if missing <= 0:
        return found, PictureDamage(Damage.CORRUPT, "the check sum of the PNG's pixel data is wrong")
    blocks = -(-header.height // PNG_BLOCK_ROWS)
    damage = cut(-(-missing // PNG_BLOCK_ROWS), blocks)
    repeated = (bytes([_UP]) + bytes(header.row_bytes - 1)) * missing
    return found[: there * header.row_bytes] + repeated, damage


def _inflated_as_far_as_it_goes(compressed: bytes, most_bytes: int) -> bytes:
    """Return what can be inflated before the data ends or turns wrong."""
    inflater = zlib.decompressobj()
    found = bytearray()
    at, step = 0, _STEP_BYTES
    while at < len(compressed) and len(found) < most_bytes and not inflater.eof:
        before = inflater.copy()
        try:
            found += inflater.decompress(compressed[at : at + step], most_bytes - len(found))
            at += step
        except zlib.error:
            if step == 1:
                break
            inflater, step = before, 1
    return bytes(found)
