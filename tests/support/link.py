"""A TCP link between two processes that can be cut, mended and measured: bytes are counted in both directions.

client --> Link(port) --> server        cut(): connections die and none is taken until mend(); hold(): bytes are swallowed until then
"""

from __future__ import annotations

import asyncio
import contextlib
from dataclasses import dataclass

CHUNK_BYTES = 1 << 16


@dataclass
class Link:
    """A proxy on `host` to `target_port` of 127.0.0.1. up_bytes, down_bytes: what went to the server, and came back."""

    target_port: int
    port: int = 0
    up_bytes: int = 0
    down_bytes: int = 0
    is_cut: bool = False
    host: str = "127.0.0.1"

    def __post_init__(self) -> None:
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._flows = asyncio.Event()
        self._flows.set()

    async def __aenter__(self) -> Link:
        self._server = await asyncio.start_server(self._connected, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self.cut()
        self._server.close()
        await self._server.wait_closed()

    @property
    def address(self) -> str:
        return f"{self.host}:{self.port}"

    def cut(self) -> None:
        """Ends every connection; new ones are refused."""
        self.is_cut = True
        self._flows.set()
        for writer in tuple(self._open):
            writer.transport.abort()

    def hold(self) -> None:
        """Connections stand, and what either side sends is taken and not passed on."""
        self._flows.clear()

    def mend(self) -> None:
        """Connections are taken again, and what was held goes on."""
        self.is_cut = False
        self._flows.set()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_cut:
            writer.transport.abort()
            return
        try:
            there, back = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        self._open |= {writer, back}
        try:
            await asyncio.gather(self._pump(reader, back, "up_bytes"), self._pump(there, writer, "down_bytes"))
        finally:
            for one in (writer, back):
                self._open.discard(one)
                one.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, counter: str) -> None:
        with contextlib.suppress(OSError):
            while data := await source.read(CHUNK_BYTES):
                await self._flows.wait()
                setattr(self, counter, getattr(self, counter) + len(data))
                sink.write(data)
                await sink.drain()
        with contextlib.suppress(OSError, RuntimeError):
            sink.close()
