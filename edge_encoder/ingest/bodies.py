"""Reads the bodies of posts: as they come, decompressed, and without what simple cameras leave around a picture.

    chunks --Content-Encoding: gzip, deflate--> bytes, counted as they come out --unwrapped--> the picture file

A form (`curl -F`) is taken for the picture in it. A Content-Type is not asked: the bytes say what they are.
Law: too large a picture is refused before all of it is read or decompressed.
Law: all bodies that are being read together take no more memory than the queue may; beyond that a post is Busy.
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterator

from starlette.requests import ClientDisconnect, Request

from edge_encoder.ingest.admission import PostLimits
from shared.contract.picture_bytes import unwrapped
from shared.errors import BadRequest, Busy, DeadlinePassed, ImageError, TooLarge, UnsupportedEncoding

_GZIP, _ZLIB, _BARE_DEFLATE = 31, 15, -15
_WINDOWS = {"gzip": _GZIP, "x-gzip": _GZIP, "deflate": _ZLIB}
_AS_IT_IS = ("", "identity")
_STEP_BYTES = 1 << 16
_HEADER_BYTES = 2
_ZLIB_HEADER = 31
"""Divides the first two bytes of what zlib writes (RFC 1950)."""


class Bodies:
    """Reads the bodies of posts as they come, and never further than the limits."""

    def __init__(self, limits: PostLimits) -> None:
        self._limits = limits
        self._reading_bytes = 0

    async def read(self, request: Request) -> bytes:
        """Return the picture file in a post's body.

        Raises TooLarge before all of it is read, ImageError where there is none, UnsupportedEncoding, Busy, BadRequest
        or DeadlinePassed.
        """
        limits = self._limits
        decompressor = _decompressor(request.headers.get("content-encoding", ""))
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limits.picture_bytes:
            raise TooLarge("the picture", int(declared), limits.picture_bytes)
        held = came = 0
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout(limits.deadline_seconds):
                async for chunk in request.stream():
                    # A body may come without a length, or with a wrong one: what really came is what counts.
                    came += len(chunk)
                    if came > limits.picture_bytes:
                        raise TooLarge("the picture", None, limits.picture_bytes)
                    for piece in decompressor.pieces(chunk):
                        held += self._counted(piece, held)
                        chunks.append(piece)
        except TimeoutError as error:
            raise DeadlinePassed("the picture took too long to arrive; post it again") from error
        except ClientDisconnect as error:
            raise BadRequest("the connection ended within the picture; post it again") from error
        finally:
            self._reading_bytes -= held
        decompressor.require_end()
        picture = unwrapped(b"".join(chunks))
        if not picture:
            raise ImageError("there is no picture: send a JPEG, PNG, WebP or AVIF file as the body")
        return picture

    def _counted(self, piece: bytes, held: int) -> int:
        """Return the bytes of a piece that may be held, too. held: those of its body before it."""
        if held + len(piece) > self._limits.picture_bytes:
            raise TooLarge("the picture", None, self._limits.picture_bytes)
        if self._reading_bytes + len(piece) > self._limits.reading_bytes:
            raise Busy("too many pictures arrive at once; post again later")
        self._reading_bytes += len(piece)
        return len(piece)


class _AsItIs:
    """Passes on a body that is not compressed."""

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the chunk."""
        yield chunk

    def require_end(self) -> None:
        """Do nothing: such a body ends where it ends."""


class _Inflater(_AsItIs):
    """Decompresses a body. window: zlib's, which says what stands around the data."""

    def __init__(self, window: int) -> None:
        self._window = window
        self._inflater = zlib.decompressobj(window)
        self._first = b""

    def pieces(self, chunk: bytes) -> Iterator[bytes]:
        """Yield what comes out, a piece at a time, so that a bomb is stopped as it goes off. Raises ImageError."""
        if len(self._first) < _HEADER_BYTES:
            chunk = self._first = self._first + chunk
            if len(chunk) < _HEADER_BYTES:
                return
            if self._window == _ZLIB and int.from_bytes(chunk[:_HEADER_BYTES], "big") % _ZLIB_HEADER:
                # Some senders leave out what ought to stand around deflated data.
                self._inflater = zlib.decompressobj(_BARE_DEFLATE)
        while chunk:
            if self._inflater.eof:
                # gzip may be several members, one after another; what is none of them is padding.
                if self._window != _GZIP or not chunk.startswith(b"\x1f"):
                    return
                self._inflater = zlib.decompressobj(self._window)
            try:
                yield self._inflater.decompress(chunk, _STEP_BYTES)
            except zlib.error as error:
                raise ImageError(f"the compressed body is damaged ({error}); send it again") from error
            chunk = self._inflater.unconsumed_tail or self._inflater.unused_data

    def require_end(self) -> None:
        """Raise ImageError where compressed data was cut off."""
        if self._first and not self._inflater.eof:
            raise ImageError("the compressed body ends too early; send all of it")


def _decompressor(encoding: str) -> _AsItIs:
    """Return what undoes a Content-Encoding. Raises UnsupportedEncoding."""
    name = encoding.strip().lower()
    if name in _AS_IT_IS:
        return _AsItIs()
    if name not in _WINDOWS:
        raise UnsupportedEncoding(encoding)
    return _Inflater(_WINDOWS[name])
