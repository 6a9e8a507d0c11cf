"""What a URL gives, by its server's answer.

    Content-Type, length, first bytes --kind_of--> picture | stream | recording; or it is refused

Law: the type that is said counts, and where it says nothing, the first bytes do. A page is no picture.
"""

from __future__ import annotations

from enum import StrEnum

from shared.errors import SourceRefused
from shared.sources.web.client import Answer

PLAYLISTS = (
    "application/vnd.apple.mpegurl",
    "application/x-mpegurl",
    "audio/mpegurl",
    "audio/x-mpegurl",
    "application/dash+xml",
)
PLAYLIST_BEGINS = (b"#EXTM3U", b"<MPD")
ENDED_PLAYLIST = (b"#EXT-X-ENDLIST", b'type="static"')
PICTURE_BEGINS = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF8", b"BM", b"II*\0", b"MM\0*")
PICTURE_BRANDS = (b"avif", b"avis", b"heic", b"heix", b"mif1", b"msf1")
PAGES = ("text/html", "application/xhtml+xml", "application/json", "application/xml", "text/xml")
LOOK_BYTES = 512


class WebKind(StrEnum):
    """PICTURE: one picture for each GET. STREAM: live video. RECORDING: a file of a server."""

    PICTURE = "picture"
    STREAM = "stream"
    RECORDING = "recording"


def kind_of(name: str, answer: Answer) -> WebKind:
    """Return what an answer gives; raises SourceError for an answer that gives nothing. name: for messages."""
    check_status(name, answer)
    kind = answer.content_type
    if kind.startswith("multipart/"):
        return WebKind.STREAM
    if kind.startswith("image/"):
        return WebKind.PICTURE
    begin = answer.first_bytes(LOOK_BYTES).lstrip()
    if kind in PLAYLISTS or begin.startswith(PLAYLIST_BEGINS):
        playlist = answer.body()
        return WebKind.RECORDING if any(mark in playlist for mark in ENDED_PLAYLIST) else WebKind.STREAM
    if kind.startswith("video/"):
        return _video(answer)
    if _is_picture(begin):
        return WebKind.PICTURE
    check_page(name, answer.content_type, begin)
    if not begin:
        raise SourceRefused(name, f"answers {answer.status} without a body; is the path right?")
    return _video(answer)


def check_status(name: str, answer: Answer) -> None:
    """Raise SourceRefused for the status of an error."""
    status, by = answer.status, answer.by_proxy
    if status in (200, 203, 206):
        return
    if status == 401:
        raise SourceRefused(name, f"refuses access (401){by}: the user name and password are missing or wrong")
    if status == 403:
        raise SourceRefused(name, f"does not allow this user to see it (403){by}")
    if status == 404:
        raise SourceRefused(name, f"answers 404 Not Found{by}; is the path right?")
    raise SourceRefused(name, f"answers with the status {status} instead of a picture{by}")


def check_page(name: str, content_type: str, begin: bytes) -> None:
    """Raise SourceRefused for a page or another text, which many cameras give instead of an error's status."""
    if _is_picture(begin):
        return
    text = begin[:LOOK_BYTES].lstrip().lower()
    if content_type in PAGES or text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"{")):
        raise SourceRefused(
            name, f"gives a page ({content_type or 'of no type'}) instead of a picture; is the path right?"
        )


def _video(answer: Answer) -> WebKind:
    """Return RECORDING for a file: it has an end, or may be asked for in parts."""
    return WebKind.RECORDING if answer.length or answer.is_taken_in_parts else WebKind.STREAM


def _is_picture(begin: bytes) -> bool:
    is_webp = begin.startswith(b"RIFF") and begin[8:12] == b"WEBP"
    is_heif = begin[4:8] == b"ftyp" and begin[8:12] in PICTURE_BRANDS
    return begin.startswith(PICTURE_BEGINS) or is_webp or is_heif
