"""Finds in a JPEG file what its decoder needs, whatever else is in the file or wrong with it.

    file --segments--> tables, frame and scan headers (kept)   EXIF, XMP (read)   all other segments (left out)
         --last scan--> its data, up to the end mark, or to the end of the file, or to the next picture

Metadata never reaches the decoder, so that none can refuse whole pixels. Where a segment's length is wrong, the next
place is looked for from which the rest of the header can be read. A marker that cannot stand in a scan is data.

Law: the time is linear in the file's length, and the numbers of segments, scans and steps are bounded.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from shared.contract.geometry import Damage, PictureDamage
from shared.errors import ImageError, UnsupportedPicture

_SOI, _EOI, _SOS, _DQT, _DHT, _DRI, _DAC = 0xD8, 0xD9, 0xDA, 0xDB, 0xC4, 0xDD, 0xCC
_APP0, _APP1, _APP14, _COM, _TEM = 0xE0, 0xE1, 0xEE, 0xFE, 0x01
_BASELINE, _EXTENDED, _PROGRESSIVE, _ARITHMETIC, _PROGRESSIVE_ARITHMETIC = 0xC0, 0xC1, 0xC2, 0xC9, 0xCA
_TAKEN = (_BASELINE, _EXTENDED, _PROGRESSIVE, _ARITHMETIC, _PROGRESSIVE_ARITHMETIC)
_NAMES = {
    **dict.fromkeys((0xC3, 0xCB), "a lossless JPEG"),
    **dict.fromkeys((0xC5, 0xC6, 0xC7, 0xCD, 0xCE, 0xCF, 0xDE), "a hierarchical JPEG"),
    0xF7: "a JPEG-LS file",
}
_FRAMES = frozenset(_TAKEN) | frozenset(_NAMES)
_TABLES = frozenset((_DQT, _DHT, _DRI, _DAC))
_STANDALONE = frozenset((_SOI, _TEM, *range(0xD0, 0xD8)))
_BETWEEN_SCANS = _TABLES | {_SOS, _COM, *range(_APP0, 0xF0)}

# A file whose lengths are right needs a dozen segments; ICC profiles and XMP may take some hundreds.
_MOST_SEGMENTS = 2000
_MOST_SCANS = 100
_MOST_STEPS = 10_000
_MOST_ENDS = 4
_EXIF, _XMP = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0"
_JFIF_SEGMENT = b"\xff\xe0\0\x10JFIF\0\1\1\0\0\1\0\1\0\0"
_END = b"\xff\xd9"
_NEXT_PICTURE = b"\xff\xd8\xff"
# Without restart intervals a restart marker is as impossible in a scan as any other.
_MARKER = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
_MARKER_OR_RESTART = re.compile(rb"\xff[\x01-\xfe]")
_PERHAPS_A_SEGMENT = re.compile(rb"\xff[\xc0-\xc2\xc4\xc9\xca\xcc\xd8\xda\xdb\xdd\xe0-\xef\xfe]")


@dataclass(frozen=True)
class _Segment:
    """A segment of the file. start: where its marker is. end: where the next one ought to be."""

    marker: int
    start: int
    end: int


@dataclass(frozen=True)
class JpegFrame:
    """What the frame header says. components: their numbers. sampling: of each component, across and down."""

    width: int
    height: int
    components: tuple[int, ...]
    sampling: tuple[tuple[int, int], ...]
    is_progressive: bool
    is_arithmetic: bool

    @property
    def block_row_pixels(self) -> int:
        """The pixel rows that are coded together."""
        return 8 * max(down for _, down in self.sampling)


@dataclass(frozen=True, eq=False)
class JpegScans:
    """The file as the decoder needs it. head: all before the data of the last scan.

    has_restarts: the scan's data is divided by restart markers.
    beyond: where the last scan may go on, if what looks like its end is none; empty where it cannot.
    """

    head: bytes = field(repr=False)
    last: bytes = field(repr=False)
    has_end: bool
    is_only_one: bool
    has_restarts: bool
    beyond: bytes = field(repr=False, default=b"")

    def continued(self, continuation: bytes) -> bytes:
        """Return bytes with which the last scan can go on, within a restart interval or at the end of one."""
        if not self.has_restarts:
            return continuation
        places = [self.last.rfind(bytes((0xFF, 0xD0 + number))) for number in range(8)]
        following = 1 + places.index(max(places)) if max(places) >= 0 else 0
        marks = [bytes((0xFF, 0xD0 + (following + number) % 8)) for number in range(2)]
        return continuation.join((b"", *marks, b""))


@dataclass(frozen=True, eq=False)
class JpegStructure:
    """A JPEG file, taken apart. damage: what can be seen to be wrong without decoding it."""

    frame: JpegFrame
    scans: JpegScans
    exif: bytes = field(repr=False)
    xmp: bytes = field(repr=False)
    damage: PictureDamage | None = None

    def file(self, continuation: bytes = b"") -> bytes:
        """Return a file with an end. continuation: bytes that follow the data in its last scan."""
        return b"".join((self.scans.head, self.scans.last, continuation, _END))

    def beyond_its_end(self) -> JpegStructure | None:
        """Return the structure with what looked like the scan's end taken for damaged data; None where that cannot be."""
        scans = self.scans
        if not scans.beyond:
            return None
        last, has_end, beyond = _until_end(scans.beyond)
        longer = replace(scans, last=scans.last + b"\xff\0" + last, has_end=has_end, beyond=beyond)
        return replace(self, scans=longer, damage=_IMPOSSIBLE_MARKER)


_IMPOSSIBLE_MARKER = PictureDamage(Damage.CORRUPT, "a marker that cannot stand in a scan")
_MISSING_SCANS = PictureDamage(Damage.CUT, "some of its scans are missing")


def read_structure(data: bytes) -> JpegStructure:
    """Take a JPEG file apart. Raises ImageError, or UnsupportedPicture for a kind of JPEG that is not taken."""
    segments = _header(data)
    frame = _frame(data, segments)
    exif = b"".join(_contents(data, segments, _EXIF)[:1])
    xmp = b"".join(_contents(data, segments, _XMP)[:1])
    kept = _kept(data, segments)
    start = segments[-1].end
    if not frame.is_progressive and _scan_components(data, segments[-1]) == len(frame.components):
        scans, is_corrupt = _only_scan(data, start, kept, any(one.marker == _DRI for one in segments))
        return JpegStructure(frame, scans, exif, xmp, _IMPOSSIBLE_MARKER if is_corrupt else None)
    return _many_scans(data, segments, frame, _Metadata(exif, xmp))


@dataclass(frozen=True, eq=False)
class _Metadata:
    exif: bytes
    xmp: bytes


def _header(data: bytes) -> list[_Segment]:
    """Return the segments up to the first scan's header."""
    followed = _follow(data, 2)
    if _is_complete(followed):
        return followed
    failed = set(_dead_ends(followed))
    steps = 0
    at = 2
    while steps < _MOST_STEPS and (found := _PERHAPS_A_SEGMENT.search(data, at)) is not None:
        at = found.start()
        if data[at + 1] == _SOI:
            # A picture within the metadata is a thumbnail.
            end = data.find(_END, at) if data[at + 2 : at + 3] == b"\xff" else -1
            at = end + 2 if end > 0 else at + 2
            continue
        if at not in failed:
            rest = _follow(data, at, failed)
            steps += 1 + len(rest)
            joined = [one for one in followed if one.end <= at] + rest
            if _is_complete(joined):
                return joined
            failed.update(_dead_ends(rest))
        at += 2
    raise ImageError(_no_header(followed, data))


def _dead_ends(segments: Sequence[_Segment]) -> list[int]:
    """Return the places from which no scan is reached. Those that reach one may lack no more than what stands before them."""
    return [] if segments and segments[-1].marker == _SOS else [one.start for one in segments]


def _no_header(followed: Sequence[_Segment], data: bytes) -> str:
    if any(one.marker in _FRAMES for one in followed):
        return f"the JPEG ends or breaks before its first pixel ({len(data)} bytes are there); send the whole file"
    return "the JPEG is damaged: no header can be read, though it begins as a JPEG does; send the whole file"


def _is_complete(segments: Sequence[_Segment]) -> bool:
    markers = {one.marker for one in segments}
    return _SOS in markers and bool(markers & _FRAMES) and (_DQT in markers or bool(markers & _NAMES.keys()))


def _follow(data: bytes, at: int, failed: set[int] | frozenset[int] = frozenset()) -> list[_Segment]:
    """Return the segments that follow one another from a place on, up to a scan's header or to what is no segment."""
    segments: list[_Segment] = []
    while len(segments) < _MOST_SEGMENTS and at + 1 < len(data) and data[at] == 0xFF and at not in failed:
        marker = data[at + 1]
        if marker == 0xFF:
            at += 1
            continue
        if marker in _STANDALONE:
            at += 2
            continue
        end = at + 2 + int.from_bytes(data[at + 2 : at + 4], "big")
        if marker == _EOI or marker < 0xC0 or not at + 4 <= end <= len(data):
            break
        segments.append(_Segment(marker, at, end))
        if marker == _SOS:
            break
        at = end
    return segments


def _frame(data: bytes, segments: Sequence[_Segment]) -> JpegFrame:
    header = next(one for one in segments if one.marker in _FRAMES)
    content = data[header.start + 4 : header.end]
    if header.marker in _NAMES:
        raise UnsupportedPicture(_NAMES[header.marker])
    if len(content) < 6 or len(content) < 6 + 3 * content[5]:
        raise ImageError("the JPEG's frame header is damaged; send the whole file")
    if content[0] != 8:
        raise UnsupportedPicture(f"a JPEG with {content[0]} bits a sample")
    height, width = int.from_bytes(content[1:3], "big"), int.from_bytes(content[3:5], "big")
    parts = [content[6 + 3 * i : 9 + 3 * i] for i in range(content[5])]
    if len(parts) not in (1, 3, 4):
        raise UnsupportedPicture(f"a JPEG with {len(parts)} components")
    # One component alone is coded block by block, whatever its sampling says.
    sampling = [(one[1] >> 4 or 1, one[1] & 15 or 1) for one in parts] if len(parts) > 1 else [(1, 1)]
    return JpegFrame(
        width,
        height,
        tuple(one[0] for one in parts),
        tuple(sampling),
        header.marker in (_PROGRESSIVE, _PROGRESSIVE_ARITHMETIC),
        header.marker in (_ARITHMETIC, _PROGRESSIVE_ARITHMETIC),
    )


def _contents(data: bytes, segments: Sequence[_Segment], begins: bytes) -> list[bytes]:
    """Return the metadata segments of one kind, without their first bytes."""
    return [
        data[one.start + 4 + len(begins) : one.end]
        for one in segments
        if one.marker == _APP1 and data.startswith(begins, one.start + 4)
    ]


def _kept(data: bytes, segments: Sequence[_Segment]) -> list[bytes]:
    """Return the segments that the decoder needs, from the start of a file on."""
    kept = [b"\xff\xd8"]
    for one in segments:
        if one.marker == _APP0 and data.startswith(b"JFIF\0", one.start + 4):
            # It says that the colours are YCbCr. Its version and thumbnail are of no use here.
            kept.append(_JFIF_SEGMENT)
        elif one.marker == _APP14 and data.startswith(b"Adobe", one.start + 4) and one.end - one.start >= 16:
            kept.append(data[one.start : one.start + 2] + b"\0\x0e" + data[one.start + 4 : one.start + 16])
        elif one.marker in _TABLES or one.marker in _FRAMES or one.marker == _SOS:
            kept.append(data[one.start : one.end])
    return kept


def _scan_components(data: bytes, scan: _Segment) -> int:
    return data[scan.start + 4] if scan.end - scan.start > 4 else 0


def _only_scan(data: bytes, start: int, kept: Sequence[bytes], has_restarts: bool) -> tuple[JpegScans, bool]:
    """Return the one scan that has everything, and whether it holds markers that cannot stand in it."""
    next_picture = data.find(_NEXT_PICTURE, start)
    last, has_end, beyond = _until_end(data[start:] if next_picture < 0 else data[start:next_picture])
    clean = (_MARKER if has_restarts else _MARKER_OR_RESTART).sub(b"\xff\0", last)
    return JpegScans(b"".join(kept), clean, has_end, True, has_restarts, beyond), clean != last


def _until_end(data: bytes) -> tuple[bytes, bool, bytes]:
    """Return the data before the end mark, whether there is one, and what comes after it, if that is a scan's data too."""
    end = data.find(_END)
    if end < 0:
        return data.rstrip(b"\xff"), False, b""
    # Bytes after the end are of no use, unless there is another end: a damaged scan can hold what looks like one.
    beyond = data[end + 2 :] if 0 < data.count(_END, end + 2) < _MOST_ENDS else b""
    return data[:end].rstrip(b"\xff"), True, beyond


def _many_scans(data: bytes, segments: Sequence[_Segment], frame: JpegFrame, metadata: _Metadata) -> JpegStructure:
    """Take apart a file whose pixels are spread over several scans."""
    progress = _Progress(frame)
    progress.note(data, segments[-1])
    head = _kept(data, segments)
    has_restarts = any(one.marker == _DRI for one in segments)
    marker = _MARKER if has_restarts else _MARKER_OR_RESTART
    is_corrupt = False
    start = at = segments[-1].end
    has_end = False
    while True:
        found = marker.search(data, at)
        end = len(data) if found is None else found.start()
        if found is None or data[end + 1] in (_EOI, _SOI):
            has_end = found is not None and data[end + 1] == _EOI
            break
        between = _follow(data, end) if data[end + 1] in _BETWEEN_SCANS else []
        if between and between[-1].marker == _SOS:
            head += [marker.sub(b"\xff\0", data[start:end]), *_kept(data, between)[1:]]
            progress.note(data, between[-1])
            start = at = between[-1].end
            continue
        stops = between[-1].end if between else end
        if data[stops : stops + 2] == _END or (data[end + 1] in _BETWEEN_SCANS and _runs_out(data, stops)):
            has_end = data[stops : stops + 2] == _END
            break
        is_corrupt = True
        at = end + 2
    damage = _IMPOSSIBLE_MARKER if is_corrupt else None
    if not progress.is_complete:
        if not has_end:
            raise ImageError(
                f"the JPEG is truncated: {progress.scans} of its scans are there, and no part of the picture is whole; "
                "send the whole file"
            )
        damage = _MISSING_SCANS
    last = marker.sub(b"\xff\0", data[start:end].rstrip(b"\xff"))
    return JpegStructure(
        frame, JpegScans(b"".join(head), last, has_end, False, has_restarts), metadata.exif, metadata.xmp, damage
    )


def _runs_out(data: bytes, at: int) -> bool:
    """Return whether the file ends within the segment at a place."""
    return at + 2 + int.from_bytes(data[at + 2 : at + 4], "big") > len(data)


class _Progress:
    """Notes which bits of which coefficients the scans have brought."""

    def __init__(self, frame: JpegFrame) -> None:
        self.scans = 0
        # Of each coefficient the lowest bit that was sent, and a number beyond all bits before the first scan.
        self._lowest = {component: [255] * 64 for component in frame.components}

    def note(self, data: bytes, scan: _Segment) -> None:
        """Note a scan by its header. Raises ImageError for one scan too many, and for a broken header."""
        self.scans += 1
        content = data[scan.start + 4 : scan.end]
        if self.scans > _MOST_SCANS:
            raise ImageError(f"the JPEG has more than {_MOST_SCANS} scans; save it again with fewer")
        if len(content) < 4 or len(content) < 4 + 2 * content[0]:
            raise ImageError("a scan header of the JPEG is damaged; send the whole file")
        first, last, bits = content[1 + 2 * content[0] : 4 + 2 * content[0]]
        for component in content[1 : 1 + 2 * content[0] : 2]:
            lowest = self._lowest.get(component, [0] * 64)
            for coefficient in range(first, min(last, 63) + 1):
                lowest[coefficient] = bits & 15

    @property
    def is_complete(self) -> bool:
        """Whether every bit of every coefficient was sent."""
        return not any(any(lowest) for lowest in self._lowest.values())
