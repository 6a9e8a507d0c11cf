"""Cameras that the edge pulls beside those that post, and that break all at once, each in its own way.

    breaking_sources(folder, host) --> HTTP streams, a picture URL, a folder --edge--> states in /v1/cameras

Law: each way of breaking is seen as its own state, and each source is live again once it is mended.
"""

from __future__ import annotations

import asyncio
import http.server
import random
import socket
import threading
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx

from shared.sources.state import SourceState
from tests.support.pictures import picture
from tests.support.services import ServiceProcess, free_port

NOT_LIVE = frozenset(SourceState) - {SourceState.LIVE, SourceState.CONNECTING}
WAYS: Mapping[str, frozenset[SourceState]] = {
    "password": frozenset({SourceState.REFUSED}),
    "path": frozenset({SourceState.REFUSED, SourceState.GONE}),
    "page": frozenset({SourceState.REFUSED}),
    "hangs": frozenset({SourceState.STALLED}),
    "garbage": NOT_LIVE,
    "closed": frozenset({SourceState.GONE}),
    "snapshot": frozenset({SourceState.REFUSED}),
    "folder": frozenset({SourceState.GONE}),
}
"""The states in which each broken source may be seen. A camera has the name of its way."""
NOTICED_SECONDS, MENDED_SECONDS = 60.0, 90.0
FPS = 2
_PAGE = b"<html><body>Please log in</body></html>"
_PICTURES = [picture(number, 64, 48) for number in range(5)]


@dataclass
class BreakingSources:
    """The sources. host: where their servers listen. port, own_port: of all streams but `closed`, and of that one."""

    folder: Path
    host: str
    port: int = field(default_factory=free_port)
    own_port: int = field(default_factory=free_port)
    is_broken: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        self._own = _Server(self, self.own_port)

    @property
    def options(self) -> Sequence[str]:
        """The edge's flags."""
        specs = {way: f"http://{self.host}:{self.port}/{way}" for way in WAYS}
        specs["closed"] = f"http://{self.host}:{self.own_port}/closed"
        specs["folder"] = str(self.folder)
        return [word for way, spec in specs.items() for word in ("--source", f"{way}@{FPS}={spec}")]

    async def break_all(self, edge: ServiceProcess) -> dict[str, str]:
        """Break and mend them; return the state in which each was seen. Raises AssertionError where one was not."""
        self.is_broken.set()
        away = self.folder.with_name("away")
        self.folder.rename(away)
        self._own.stop()
        seen: dict[str, str] = {}
        try:
            async for states in _states(edge, NOTICED_SECONDS):
                seen |= {way: state for way, state in states.items() if state in WAYS.get(way, ())}
                if seen.keys() == WAYS.keys():
                    break
        finally:
            away.rename(self.folder)
            self._own.start()
            self.is_broken.clear()
        missed = WAYS.keys() - seen.keys()
        assert not missed, f"sources that broke and were not seen so in {NOTICED_SECONDS:g} s: {sorted(missed)}"
        still: set[str] = set()
        async for states in _states(edge, MENDED_SECONDS):
            still = {way for way in WAYS if states.get(way) != SourceState.LIVE}
            if not still:
                return seen
        raise AssertionError(f"sources that were mended are not live again in {MENDED_SECONDS:g} s: {sorted(still)}")

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        """Serve them all until the end of the context."""
        self.folder.mkdir(parents=True)
        for number, one in enumerate(_PICTURES):
            (self.folder / f"{number}.jpg").write_bytes(one)
        servers = (_Server(self, self.port), self._own)
        try:
            for server in servers:
                server.start()
            yield
        finally:
            self.is_broken.set()
            for server in servers:
                server.stop()


async def _states(edge: ServiceProcess, seconds: float) -> AsyncIterator[dict[str, str]]:
    """Give the sources' states for so long, whenever the edge answers: another fault may have killed it."""
    end = time.monotonic() + seconds
    async with edge.browser(5) as client:
        while time.monotonic() < end:
            with suppress(httpx.TransportError, httpx.HTTPStatusError):
                answer = (await client.get(f"{edge.url}/v1/cameras")).raise_for_status().json()
                sources = {one["camera_id"]: one["source"] for one in answer["cameras"] if one["source"]}
                uncounted = [way for way, one in sources.items() if one["state"] in NOT_LIVE and not one["failures"]]
                assert not uncounted, f"sources that are broken, and whose failures are not counted: {uncounted}"
                yield {way: one["state"] for way, one in sources.items()}
            await asyncio.sleep(0.1)


class _Server:
    """An HTTP server that can be stopped, which closes its port, and started there again."""

    def __init__(self, sources: BreakingSources, port: int) -> None:
        self._sources = sources
        self._port = port
        self._server: http.server.ThreadingHTTPServer | None = None
        self._open: set[socket.socket] = set()

    def start(self) -> None:
        sources = self._sources
        open_connections: set[socket.socket] = set()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                open_connections.add(self.connection)
                with suppress(OSError):
                    _answer(self, sources.is_broken)

            def log_message(self, format: str, *args: object) -> None:
                """Nothing."""

        self._open = open_connections
        self._server = http.server.ThreadingHTTPServer((self._sources.host, self._port), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            for connection in self._open:
                connection.close()
            self._server = None


def _answer(handler: http.server.BaseHTTPRequestHandler, is_broken: threading.Event) -> None:
    """Give what this path's camera gives: pictures, or, while it is broken, what a camera gives that is broken so."""
    way = handler.path.strip("/")
    if is_broken.is_set() and way == "password":
        _whole(handler, 401, "text/plain", b"who are you?", ("WWW-Authenticate", 'Basic realm="camera"'))
    elif is_broken.is_set() and way == "path":
        _whole(handler, 404, "text/plain", b"there is no such stream")
    elif is_broken.is_set() and way in ("page", "snapshot"):
        _whole(handler, 200, "text/html", _PAGE)
    elif way == "snapshot":
        _whole(handler, 200, "image/jpeg", random.choice(_PICTURES))
    else:
        _stream(handler, way, is_broken)


def _whole(
    handler: http.server.BaseHTTPRequestHandler, status: int, kind: str, body: bytes, *headers: tuple[str, str]
) -> None:
    handler.send_response(status)
    for name, value in (("Content-Type", kind), ("Content-Length", str(len(body))), *headers):
        handler.send_header(name, value)
    handler.end_headers()
    handler.wfile.write(body)


def _stream(handler: http.server.BaseHTTPRequestHandler, way: str, is_broken: threading.Event) -> None:
    handler.send_response(200)
    handler.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
    handler.end_headers()
    for part in _parts(way, is_broken):
        handler.wfile.write(b"--frame\r\nContent-Type: image/jpeg\r\n")
        handler.wfile.write(b"Content-Length: %d\r\n\r\n" % len(part) + part + b"\r\n")
        handler.wfile.flush()


def _parts(way: str, is_broken: threading.Event) -> Iterator[bytes]:
    """Give a stream's pictures; a camera that is broken ends it, goes on with garbage, or says nothing."""
    number = 0
    while True:
        while is_broken.is_set() and way == "hangs":
            time.sleep(0.05)
        if is_broken.is_set() and way != "garbage":
            return
        yield random.randbytes(2000) if is_broken.is_set() else _PICTURES[number % len(_PICTURES)]
        number += 1
        time.sleep(1 / (2 * FPS))
