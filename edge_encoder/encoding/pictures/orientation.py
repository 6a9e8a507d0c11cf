"""Reads how a picture is to be turned, of EXIF or of XMP, whatever else is wrong with them.

    EXIF (a TIFF file) --first directory--> tag 0x0112 --> 1 to 8          XMP --tiff:Orientation--> 1 to 8

Law: nothing raises. What cannot be read is no orientation, and no directory but the first is looked at.
"""

from __future__ import annotations

import re
import struct

UPRIGHT = 1
XMP_LONGEST_BYTES = 1 << 20
"""The most of XMP that is looked at."""

_TAG = 0x0112
_SHORT, _LONG = 3, 4
_MOST_ENTRIES = 4096
_ENTRY_BYTES = 12
_XMP = re.compile(rb"tiff:Orientation\s*(?:=\s*[\"']|>)\s*([1-8])\b")


def exif_orientation(exif: bytes) -> int | None:
    """Return the orientation in EXIF data; None where there is none that can be read."""
    tiff = exif.removeprefix(b"Exif\0\0")
    order = {b"II": "<", b"MM": ">"}.get(tiff[:2])
    if order is None or len(tiff) < 8:
        return None
    start: int = struct.unpack_from(order + "I", tiff, 4)[0]
    if start + 2 > len(tiff):
        return None
    entries: int = struct.unpack_from(order + "H", tiff, start)[0]
    for at in range(start + 2, start + 2 + _ENTRY_BYTES * min(entries, _MOST_ENTRIES), _ENTRY_BYTES):
        if at + _ENTRY_BYTES > len(tiff):
            return None
        tag, kind, count = struct.unpack_from(order + "HHI", tiff, at)
        if tag == _TAG and count == 1 and kind in (_SHORT, _LONG):
            value: int = struct.unpack_from(order + ("H" if kind == _SHORT else "I"), tiff, at + 8)[0]
            return value if 1 <= value <= 8 else None
    return None


def xmp_orientation(xmp: bytes) -> int | None:
    """Return the orientation in an XMP packet; None where there is none."""
    found = _XMP.search(xmp, 0, XMP_LONGEST_BYTES)
    return int(found[1]) if found else None


def orientation_of(exif: bytes, xmp: bytes) -> int:
    """Return the orientation that EXIF says, or else XMP; upright where neither says any."""
    return exif_orientation(exif) or xmp_orientation(xmp) or UPRIGHT
