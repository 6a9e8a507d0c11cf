"""What the bytes of a post are: the file within them, and the name of its format.

    body --unwrapped--> line breaks and the boundaries of a form gone --name_of--> "JPEG", "GIF", "HTML", ..., "" for unknown

Law: the bytes decide, whatever a header says they are. No more than `_MOST_PARTS` parts of a form are looked at.
"""

from __future__ import annotations

import re

JPEG, PNG, WEBP, AVIF = "JPEG", "PNG", "WebP", "AVIF"
PAGES = ("HTML", "JSON", "XML", "text")
"""What is posted by mistake, and is neither picture nor video."""

_MOST_PARTS = 16
_LONGEST_BOUNDARY = 200
_LONGEST_HEAD = 8192
_BLANK_LINE = re.compile(rb"\r?\n[ \t]*\r?\n")
_SPACE = b"\r\n\t \0"
_MARK = b"\xef\xbb\xbf"

_BEGINNINGS = (
    (b"\xff\xd8", JPEG),
    (b"\x89PNG\r\n\x1a\n", PNG),
    (b"\x89PNG\n\x1a\n", "a PNG whose line ends were changed, as a transfer in text mode does"),
    (b"\x89PNG\r\r\n", "a PNG whose line ends were changed, as a transfer in text mode does"),
    (b"\x89PNG", PNG),
    (b"GIF8", "a GIF"),
    (b"II*\0", "a TIFF"),
    (b"MM\0*", "a TIFF"),
    (b"II+\0", "a TIFF"),
    (b"MM\0+", "a TIFF"),
    (b"II\xbc\x01", "a JPEG XR file"),
    (b"\0\0\0\x0cjP  ", "a JPEG 2000 file"),
    (b"\xff\x4f\xff\x51", "a JPEG 2000 file"),
    (b"\0\0\0\x0cJXL ", "a JPEG XL file"),
    (b"\xff\x0a", "a JPEG XL file"),
    (b"8BPS", "a Photoshop file"),
    (b"qoif", "a QOI file"),
    (b"BPG\xfb", "a BPG file"),
    (b"FLIF", "a FLIF file"),
    (b"v/1\x01", "an OpenEXR file"),
    (b"#?RADIANCE", "a Radiance HDR file"),
    (b"DDS ", "a DDS file"),
    (b"\0\0\x01\0", "an ICO file"),
    (b"\0\0\x02\0", "a TGA or CUR file"),
    (b"%PDF", "a PDF file"),
    (b"%!PS", "a PostScript file"),
    (b"PK\x03\x04", "a ZIP archive"),
    (b"\x1f\x8b", "gzip data (say so with the header Content-Encoding: gzip)"),
    (b"\x1aE\xdf\xa3", "a WebM or Matroska video"),
    (b"\0\0\0\x01", "a raw H.264 or H.265 video"),
    (b"\0\0\x01\xba", "an MPEG video"),
    (b"FLV\x01", "an FLV video"),
)
_NETPBM = re.compile(rb"P[1-7][\s#]")
_HTML = re.compile(rb"<(?:!doctype\s+html|html|head|body|title|h1|p|pre)\b", re.IGNORECASE)
_SVG = re.compile(rb"<svg\b")
_JSON = re.compile(rb"[\[{]\s*(?:[\"\[{\]}0-9tfn-]|$)")
_HEIC_BRANDS = frozenset((b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"hevm", b"hevs"))
_AVIF_BRANDS = frozenset((b"avif", b"avis"))


def unwrapped(data: bytes) -> bytes:
    """Return the file in a body, without line breaks before it and without the parts of a form around it.

    A form's first part that holds a picture is taken, or its first file, or else its first part.
    """
    # The bytes of nearly every picture stay where they are.
    if data[:2] == b"\xff\xd8" or data[:1] == b"\x89" or data[:4] == b"RIFF":
        return data
    stripped = data[_space_before(data) :]
    if stripped[:8].lower() == b"content-":
        # The head of a part without its boundary.
        blank = _BLANK_LINE.search(stripped, 0, _LONGEST_HEAD)
        return data if blank is None else stripped[blank.end() :]
    if not stripped.startswith(b"--"):
        return stripped if stripped and _is_wrapped_picture(stripped) else data
    line_end = stripped.find(b"\n", 0, _LONGEST_BOUNDARY)
    boundary = stripped[:line_end].rstrip() if line_end > 0 else b""
    if len(boundary) < 3:
        return data
    parts = _parts(stripped, boundary)
    if not parts:
        return data
    pictures = [content for _, content in parts if name_of(content) in (JPEG, PNG, WEBP, AVIF)]
    files = [content for head, content in parts if b"filename" in head.lower()]
    return (pictures or files or [content for _, content in parts])[0]


def _space_before(data: bytes) -> int:
    at = 0
    while at < min(len(data), _LONGEST_HEAD) and data[at] in b"\r\n\t ":
        at += 1
    return at


def _is_wrapped_picture(stripped: bytes) -> bool:
    return name_of(stripped) in (JPEG, PNG, WEBP, AVIF)


def _parts(data: bytes, boundary: bytes) -> list[tuple[bytes, bytes]]:
    """Return each part's head and content."""
    found: list[tuple[bytes, bytes]] = []
    at = len(boundary)
    while len(found) < _MOST_PARTS and data[at : at + 2] != b"--":
        blank = _BLANK_LINE.search(data, at, at + _LONGEST_HEAD)
        if blank is None:
            break
        end = data.find(b"\n" + boundary, blank.end() - 1)
        content = data[blank.end() :] if end < 0 else data[blank.end() : end].removesuffix(b"\r")
        # Some cameras leave a line more between a part's head and its picture.
        found.append((data[at : blank.start()], content[_space_before(content) :]))
        if end < 0:
            break
        at = end + 1 + len(boundary)
    return found


def name_of(data: bytes) -> str:
    """Return the name of a file's format, as it stands in a sentence; empty where it is unknown."""
    for beginning, name in _BEGINNINGS:
        if data.startswith(beginning):
            return name
    if data.startswith(b"RIFF"):
        return {b"WEBP": WEBP, b"AVI ": "an AVI video"}.get(data[8:12], "")
    if data[4:8] == b"ftyp":
        return _name_of_boxes(data)
    if data.startswith(b"BM") and data[6:10] == bytes(4):
        return "a BMP"
    if _NETPBM.match(data):
        return "a PPM, PGM or PBM file"
    if data[128:132] == b"DICM":
        return "a DICOM file"
    return _name_of_text(data)


def _name_of_boxes(data: bytes) -> str:
    """Name a file of the ISO base media format by its brands."""
    size = min(int.from_bytes(data[:4], "big"), 512)
    brands = {data[at : at + 4] for at in (8, *range(16, size, 4))}
    if brands & _AVIF_BRANDS:
        return AVIF
    if brands & _HEIC_BRANDS or brands & {b"mif1", b"msf1"}:
        return "a HEIC file"
    return "a Canon CR3 file" if b"crx " in brands else "an MP4 or QuickTime video"


def _name_of_text(data: bytes) -> str:
    text = data[:4096].removeprefix(_MARK).lstrip(_SPACE)
    if _HTML.match(text):
        return "HTML"
    if text.startswith((b"<?xml", b"<!--", b"<svg")):
        return "an SVG file" if _SVG.search(text) else "HTML" if _HTML.search(text) else "XML"
    if _JSON.match(text):
        return "JSON"
    try:
        text.decode("utf-8")
    except UnicodeDecodeError as error:
        # The end of what is looked at may cut a character.
        if error.start < len(text) - 3:
            return ""
    return "text" if len(text) >= 8 and not any(byte < 9 for byte in text) else ""
