"""Everything that a stranger says to the cloud's HTTP port, from its first byte to its hanging up.

    bytes --a real socket--> GuardedHttp, GuardedSocket --> tokens, routes, the wall --> answer, as far as it has come by then

Law: no error but a promised one (no traceback, no 500, whatever is asked); metrics and the wall's messages go to who shows their token
and to nobody else; and who has hung up leaves nothing behind: no place at the door, no task.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, AsyncExitStack
from pathlib import Path
from random import Random
from typing import Any

import uvicorn
from prometheus_client import CollectorRegistry, Counter
from uvicorn.server import ServerState

from cloud_analytics.wall import WALL_OPEN_PATHS, add_wall
from shared.server.access.callers import Access
from shared.server.access.token_file import Tokens
from shared.server.connections.http_limit import HttpConnectionLimit
from shared.server.http_server import WebServer, web_app
from tests.support.bundles import write_tiny_bundle
from tests.support.cloud import cloud_parts
from tests.trials.fuzz.bundles import MEMORY
from tests.trials.fuzz.mutation import mutated
from tests.trials.fuzz.target import LawBroken, Target
from tests.trials.fuzz.tokens import token, token_file

_QUIET_TURNS = 6
"""After so many turns of the loop without an answer, the stranger hangs up."""
_MOST_TURNS = 200
_METRIC, _WALL = b"taxon_behind_the_door_total", b'"type":"tasks"'
"""Only a token gives this to see."""
_UPGRADE = (
    b"Connection: Upgrade",
    b"Upgrade: websocket",
    b"Sec-WebSocket-Version: 13",
    b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
)
_LINES = (
    *_UPGRADE,
    *(f"Authorization: Bearer {token(name)}".encode() for name in ("hall", "wall", "prometheus", "nobody")),
    *(f"Sec-WebSocket-Protocol: taxon.wall, taxon.token.{token(name)}".encode() for name in ("hall", "wall")),
    *(b"Origin: http://t", b"Origin: https://[::1", b"Origin: null", b"Host: [t", b"Sec-WebSocket-Protocol: taxon.token.\xe9,,"),
    *(b"Content-Length: 5", b"Content-Length: -1", b"Content-Length: 99999999999999999999", b"Transfer-Encoding: chunked"),
    *(b"Expect: 100-continue", b"Connection: close", b"If-None-Match: *", b"Sec-WebSocket-Extensions: permessage-deflate", b""),
)  # fmt: skip
_REQUESTS = (
    *(b"GET /metrics HTTP/1.1", b"GET /healthz HTTP/1.1", b"GET /wall/socket HTTP/1.1", b"GET /wall/main.js HTTP/1.1"),
    *(b"POST /metrics HTTP/1.1", b"GET /%6detrics HTTP/1.1", b"GET //metrics HTTP/1.1", b"GET /wall/../metrics HTTP/1.1"),
    *(b"GET /wall/%2e%2e/metrics HTTP/1.1", b"GET http://t/metrics HTTP/1.1", b"HEAD /openapi.json HTTP/1.0", b"OPTIONS * HTTP/1.1"),
    *(b"PRI * HTTP/2.0", b"GET /\xff HTTP/1.1", b"GET /metrics/ HTTP/1.1"),
)  # fmt: skip
_SAID = (
    b'{"type":"want","new_cameras":["normal"],"cameras":{"door":["class_scene"]}}',
    b'{"type":"ping","at":12.5}',
    b'{"type":"seen","bytes":1}',
    b"\x03\xe8bye",
)


class DoorTarget(Target):
    """An input is one connection's bytes."""

    name = "doors"

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._config: uvicorn.Config | None = None
        self._door = HttpConnectionLimit(8)
        self._told: list[str] = []
        wall = b"Sec-WebSocket-Protocol: taxon.wall, taxon.token." + token("wall").encode()
        asked = _said(b"GET /wall/socket HTTP/1.1", *_UPGRADE, wall)
        self._seeds = [
            _said(b"GET /healthz HTTP/1.1") * 2,
            _said(b"GET /metrics HTTP/1.1"),
            _said(b"GET /metrics HTTP/1.1", b"Authorization: Bearer " + token("prometheus").encode()),
            _said(b"GET /wall/main.js HTTP/1.1", b"If-None-Match: x"),
            asked + b"".join(_frame(1, text) for text in _SAID[:3]) + _frame(9, b"p") + _frame(8, _SAID[3]),
            _said(b"GET /wall/socket HTTP/1.1", *_UPGRADE, b"Authorization: Bearer " + token("wall").encode()),
            _said(b"GET /wall/socket HTTP/1.1", *_UPGRADE, wall, b"Origin: http://elsewhere"),
            _said(b"POST /metrics HTTP/1.1", b"Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n",
        ]

    def opened(self) -> AbstractContextManager[object]:
        return self._cloud()

    def seeds(self) -> Sequence[bytes]:
        return self._seeds

    def run(self, data: bytes) -> bool:
        assert self._loop is not None
        self._told.clear()
        answer = self._loop.run_until_complete(self._spoken(data))
        if self._told:
            raise LawBroken("\n".join(self._told))
        if answer.startswith(b"HTTP/1.1 5"):
            raise LawBroken(f"the answer is {answer[:200]!r}")
        for seen, name in ((_METRIC, "prometheus"), (_WALL, "wall")):
            if seen in answer and token(name).encode() not in data:
                raise LawBroken(f"{seen!r} was given without a token")
        return answer.startswith((b"HTTP/1.1 101", b"HTTP/1.1 2"))

    def mutate(self, data: bytes, random: Random) -> bytes:
        lines = data.split(b"\r\n")
        at = random.randrange(len(lines))
        match random.randrange(8):
            case 0 | 1:
                lines.insert(at + 1, random.choice(_LINES))
            case 2:
                lines[0] = random.choice(_REQUESTS)
            case 3:
                del lines[at]
            case 4:
                lines[at] = mutated(lines[at], random, random.choice(_LINES))
            case 5:
                content = mutated(random.choice(_SAID), random, b'{"type":"\\ud800"}')[:125]
                return data + _frame(
                    random.choice((0, 1, 1, 1, 2, 8, 9, 10, 11)), content, random.choice((0x80, 0x80, 0, 0xC0))
                )
            case 6:
                return data + random.choice(self._seeds)
            case _:
                return super().mutate(data, random)
        return b"\r\n".join(lines)

    async def _spoken(self, data: bytes) -> bytes:
        """Return the answer to these bytes, when they are all there is."""
        assert self._config is not None
        config, state, loop = self._config, ServerState(), asyncio.get_running_loop()
        ours, theirs = socket.socketpair()
        with theirs:
            theirs.setblocking(False)

            def made() -> asyncio.Protocol:
                given: dict[str, Any] = {"config": config, "server_state": state, "app_state": {}}
                return config.http_protocol_class(**given)

            await loop.connect_accepted_socket(made, ours)
            answer = b""
            for part in _parts(data):
                with contextlib.suppress(ConnectionError):
                    theirs.sendall(part)
                answer += await _heard(theirs)
        try:
            async with asyncio.timeout(self.deadline_seconds / 2):
                while self._door.connections or state.tasks or state.connections:
                    await asyncio.sleep(0)
        except TimeoutError as error:
            raise LawBroken(
                f"after it has hung up: {self._door.connections}, {state.tasks}, {state.connections}"
            ) from error
        return answer

    @contextlib.contextmanager
    def _cloud(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None)))
            write_tiny_bundle(folder / "models" / "tiny" / "1")
            (folder / "tokens").write_text(token_file())
            self._loop = loop = asyncio.new_event_loop()
            stack.callback(loop.close)
            loop.set_exception_handler(lambda _, context: self._told.append(f"the loop: {context}"))
            stack.enter_context(_listening(self._told))
            parts = AsyncExitStack()
            cloud = loop.run_until_complete(parts.enter_async_context(cloud_parts(folder / "models", folder / "data")))
            stack.callback(lambda: loop.run_until_complete(parts.aclose()))
            access, registry = Access(Tokens(folder / "tokens")), CollectorRegistry()
            Counter(_METRIC.decode().removesuffix("_total"), "Seen by who may", registry=registry)
            app = web_app("t", "", lambda: None, registry, access, WALL_OPEN_PATHS)
            add_wall(app, cloud.subscriptions, access=access)
            self._config = WebServer(app, "127.0.0.1:0", limit=self._door).config
            self._config.load()
            yield


def _parts(data: bytes) -> tuple[bytes, ...]:
    """Return what is sent at once. uvicorn forgets what comes in one piece with an upgrade, so its frames come behind it."""
    head, end, rest = data.partition(b"\r\n\r\n")
    return (head + end, rest) if rest and b"upgrade" in head.lower() else (data,)


async def _heard(theirs: socket.socket) -> bytes:
    """Read until it is closed, or nothing has come for some turns."""
    answer, quiet = b"", 0
    for _ in range(_MOST_TURNS):
        await asyncio.sleep(0)
        try:
            more = theirs.recv(1 << 16)
        except BlockingIOError:
            quiet += 1
            if quiet == _QUIET_TURNS:
                break
            continue
        except ConnectionError:
            break
        if not more:
            break
        answer, quiet = answer + more, 0
    return answer


@contextlib.contextmanager
def _listening(told: list[str]) -> Iterator[None]:
    """Tell of every log record with a traceback."""

    class Tracebacks(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info:
                told.append(f"{record.name}: {record.getMessage()}: {record.exc_info[1]!r}")

    handler = Tracebacks()
    logging.getLogger().addHandler(handler)
    try:
        yield
    finally:
        logging.getLogger().removeHandler(handler)


def _said(*lines: bytes) -> bytes:
    return b"\r\n".join([lines[0], b"Host: t", *lines[1:], b"", b""])


def _frame(opcode: int, content: bytes, first: int = 0x80) -> bytes:
    """Return a frame as a client sends it, with a mask of zeros."""
    return bytes([first | opcode, 0x80 | len(content)]) + bytes(4) + content
