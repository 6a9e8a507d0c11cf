"""A camera that speaks HTTP, in the test's own process: pictures, a stream, files, logins, and every way of failing.

    with http_camera(Snapshots()) as camera:
        camera.url("/snap.jpg")

The server checks a digest by the formulas of RFC 7616, written down a second time here.
"""

from __future__ import annotations

import base64
import hashlib
import http.server
import io
import re
import socketserver
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from PIL import Image

HASHES: dict[str, Callable[[bytes], Any]] = {
    "MD5": hashlib.md5,
    "SHA-256": hashlib.sha256,
    "SHA-512-256": lambda data: hashlib.new("sha512_256", data),
}


def jpeg(grey: int, size: tuple[int, int] = (64, 48)) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, (grey, grey, grey)).save(buffer, "JPEG")
    return buffer.getvalue()


@dataclass(frozen=True)
class Request:
    """One GET as it came. client: the port of the connection."""

    path: str
    seconds: float
    client: int
    headers: dict[str, str]


@dataclass
class Reply:
    """An answer. length: whether its length is said; without it the end of the connection is its end."""

    body: bytes = b""
    content_type: str | None = "image/jpeg"
    status: int = 200
    headers: list[tuple[str, str]] = field(default_factory=list)
    length: bool = True
    seconds: float = 0.0
    """The time it takes before the head, and again in the middle of the body."""
    parts: Iterator[bytes] | None = None
    """What follows the body, until it ends or the client has gone."""


class HttpCamera:
    """What the server answers. answer: called for each request that is let in, with its number from 0 on."""

    def __init__(self, answer: Callable[[Request, int], Reply], lock: Lock | None = None) -> None:
        self.answer = answer
        self.lock = lock
        self.requests: list[Request] = []
        self.port = 0

    @property
    def let_in(self) -> list[Request]:
        """The requests that had a login where one is needed."""
        return [one for one in self.requests if self.lock is None or self.lock.opened_by(one)]

    def url(self, path: str = "/snap.jpg", login: str = "") -> str:
        return f"http://{login}{'@' if login else ''}127.0.0.1:{self.port}{path}"

    def reply(self, request: Request) -> Reply:
        self.requests.append(request)
        if self.lock is not None and not self.lock.opened_by(request):
            return Reply(b"who are you?", "text/html", 401, self.lock.challenges())
        return self.answer(request, len(self.let_in) - 1)


@dataclass
class Lock:
    """The login that a camera wants. ways: the challenges that it offers, in this order: basic, MD5, SHA-256, ..."""

    user: bytes
    password: bytes
    ways: tuple[str, ...] = ("basic",)
    qop: str | None = "auth"
    together: bool = False
    nonce: str = "c2FsdA=="
    stale: bool = False

    def challenges(self) -> list[tuple[str, str]]:
        found = []
        for way in self.ways:
            if way == "basic":
                found.append('Basic realm="cam, \\"north\\""')
                continue
            qop = "" if self.qop is None else f'qop="{self.qop}", '
            stale = ", stale=true" if self.stale else ""
            found.append(f'Digest realm="cam", {qop}algorithm={way}, nonce="{self.nonce}", opaque="o,p"{stale}')
        return [("WWW-Authenticate", one) for one in ([", ".join(found)] if self.together else found)]

    def opened_by(self, request: Request) -> bool:
        shown = request.headers.get("Authorization", "")
        scheme, _, rest = shown.partition(" ")
        if scheme == "Basic":
            return "basic" in self.ways and base64.b64decode(rest) == self.user + b":" + self.password
        if scheme != "Digest":
            return False
        given = {key: quoted or plain for key, quoted, plain in re.findall(r'(\w+)=(?:"([^"]*)"|([^",\s]+))', rest)}
        if given.get("nonce") != self.nonce or given.get("opaque") != "o,p" or given.get("uri") != request.path:
            return False
        return given["algorithm"] in self.ways and given["response"] == self._expected(given, request)

    def _expected(self, given: dict[str, str], request: Request) -> str:
        make = HASHES[given["algorithm"].removesuffix("-sess")]

        def hashed(data: bytes) -> str:
            return make(data).hexdigest()

        key = hashed(self.user + b":cam:" + self.password)
        if given["algorithm"].endswith("-sess"):
            key = hashed(f"{key}:{self.nonce}:{given['cnonce']}".encode())
        asked = f"GET:{request.path}" + (f":{hashed(b'')}" if given.get("qop") == "auth-int" else "")
        between = f"{given['nc']}:{given['cnonce']}:{given['qop']}:" if "qop" in given else ""
        return hashed(f"{key}:{self.nonce}:{between}{hashed(asked.encode())}".encode())


@contextmanager
def http_camera(camera: HttpCamera) -> Iterator[HttpCamera]:
    """Serve a camera on a free port."""
    connections: list[object] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def setup(self) -> None:
            super().setup()
            connections.append(self.connection)

        def do_GET(self) -> None:
            request = Request(self.path, time.monotonic(), self.client_address[1], dict(self.headers.items()))
            reply = camera.reply(request)
            try:
                self._send(reply)
            except OSError:
                self.close_connection = True

        def _send(self, reply: Reply) -> None:
            time.sleep(reply.seconds)
            self.send_response(reply.status)
            if reply.content_type is not None:
                self.send_header("Content-Type", reply.content_type)
            if reply.length:
                self.send_header("Content-Length", str(len(reply.body)))
            else:
                self.send_header("Connection", "close")
            for name, value in reply.headers:
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(reply.body[: len(reply.body) // 2])
            time.sleep(reply.seconds)
            self.wfile.write(reply.body[len(reply.body) // 2 :])
            for part in reply.parts or ():
                self.wfile.write(part)

        def log_message(self, format: str, *args: object) -> None:
            """Nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    camera.port = server.server_port
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield camera
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextmanager
def tcp_camera(answer: Callable[[socketserver.StreamRequestHandler], None]) -> Iterator[str]:
    """Serve something that may be no HTTP at all; yields its URL."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            try:
                answer(self)
            except OSError:
                return

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads, allow_reuse_address = True, True

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/snap.jpg"
        server.shutdown()
        thread.join(5)
