"""A stranger who speaks HTTP/2 by hand, for what no gRPC client would do: read nothing, or begin a message and stop.

    async with Stranger(port, "/grpc.health.v1.Health/Watch", window=0) as stranger: await stranger.send(message)

Law: it keeps within the windows that the server gives it, and answers its settings and its pings.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import struct
from types import TracebackType
from typing import Self

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, RESET, SETTINGS, PING, GOAWAY, WINDOW_UPDATE = 0, 1, 3, 4, 6, 7, 8
INITIAL_WINDOW = 4
FIRST_WINDOW_BYTES = 65535
LARGEST_FRAME_BYTES = 16_000
SECONDS = 10.0


class Stranger:
    """One call of one connection. window: the bytes of answers that it has room for; it never gives more."""

    def __init__(
        self, port: int, path: str, window: int = FIRST_WINDOW_BYTES, tls: ssl.SSLContext | None = None
    ) -> None:
        self._port, self._path, self._window, self._tls = port, path, window, tls
        self._connection_room = self._stream_room = self._initial = FIRST_WINDOW_BYTES
        self._changed = asyncio.Event()
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self.sent_bytes = 0
        self.answered_bytes = 0
        self.has_ended = False

    async def __aenter__(self) -> Self:
        reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port, ssl=self._tls)
        settings = struct.pack(">HI", INITIAL_WINDOW, self._window)
        headers = b"".join(
            b"\x00" + bytes([len(name)]) + name + bytes([len(value)]) + value
            for name, value in (
                (b":method", b"POST"),
                (b":scheme", b"http"),
                (b":path", self._path.encode()),
                (b":authority", b"stranger"),
                (b"content-type", b"application/grpc"),
                (b"te", b"trailers"),
            )
        )
        self._writer.write(PREFACE + _frame(SETTINGS, 0, 0, settings) + _frame(HEADERS, 4, 1, headers))
        self._reading = asyncio.create_task(self._read(reader))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._reading is not None
        assert self._writer is not None
        self._reading.cancel()
        await asyncio.gather(self._reading, return_exceptions=True)
        self._writer.close()

    async def send(self, message: bytes, *, of_bytes: int | None = None, ends: bool = True) -> None:
        """Send a message, or the beginning of one that is said to have `of_bytes`; as far as the server gives room.

        It returns when all is sent, when the call has ended, or when there was no more room for a second.
        """
        assert self._writer is not None
        left = b"\0" + struct.pack(">I", len(message) if of_bytes is None else of_bytes) + message
        with contextlib.suppress(TimeoutError, ConnectionError):
            while left and not self.has_ended:
                count = min(LARGEST_FRAME_BYTES, self._connection_room, self._stream_room, len(left))
                if count <= 0:
                    self._changed.clear()
                    await asyncio.wait_for(self._changed.wait(), 1.0)
                    continue
                last = ends and of_bytes is None and count == len(left)
                self._writer.write(_frame(DATA, int(last), 1, left[:count]))
                await self._writer.drain()
                left = left[count:]
                self._connection_room -= count
                self._stream_room -= count
                self.sent_bytes += count

    async def ended(self, seconds: float = SECONDS) -> bool:
        """Wait until the server has ended the call or the connection; return whether it has."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while not self.has_ended:
                    self._changed.clear()
                    await self._changed.wait()
        return self.has_ended

    async def _read(self, reader: asyncio.StreamReader) -> None:
        assert self._writer is not None
        try:
            while True:
                head = await reader.readexactly(9)
                payload = await reader.readexactly(int.from_bytes(head[:3], "big"))
                kind, flags, stream = head[3], head[4], int.from_bytes(head[5:], "big")
                self._take(kind, flags, stream, payload)
                self._changed.set()
        except (asyncio.IncompleteReadError, ConnectionError):
            self.has_ended = True
            self._changed.set()

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        assert self._writer is not None
        if kind == SETTINGS and not flags & 1:
            for at in range(0, len(payload), 6):
                name, value = struct.unpack(">HI", payload[at : at + 6])
                if name == INITIAL_WINDOW:
                    self._stream_room += value - self._initial
                    self._initial = value
            self._writer.write(_frame(SETTINGS, 1, 0))
        elif kind == PING and not flags & 1:
            self._writer.write(_frame(PING, 1, 0, payload))
        elif kind == WINDOW_UPDATE:
            more = int.from_bytes(payload, "big")
            if stream:
                self._stream_room += more
            else:
                self._connection_room += more
        elif kind == DATA:
            self.answered_bytes += len(payload)
        if kind in (RESET, GOAWAY) or (kind == HEADERS and flags & 1):
            self.has_ended = True


def _frame(kind: int, flags: int, stream: int, payload: bytes = b"") -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes([kind, flags]) + struct.pack(">I", stream) + payload
