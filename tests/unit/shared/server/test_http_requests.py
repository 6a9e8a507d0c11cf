"""Requests as all kinds of clients write them, byte by byte on the wire: every form of a path, HEAD and OPTIONS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from fastapi import Request
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from starlette.staticfiles import StaticFiles
from starlette.types import Message, Scope

from shared.server.access.callers import Access
from shared.server.access.token_file import Tokens
from shared.server.access.web_terms import WebTerms
from shared.server.http_requests import OneForm
from shared.server.http_server import WebServer, web_app
from shared.telemetry.metrics import Meters
from tests.support.security import TokenFolder


@dataclass(frozen=True)
class Answer:
    """An answer as it came. headers: by name in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes


async def raw(port: int, head: str, body: bytes = b"") -> Answer:
    """Write a request as it is given, and read until the server closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{head}\r\nHost: here\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    async with asyncio.timeout(10):
        answer = await reader.read()
    writer.close()
    begin, _, rest = answer.partition(b"\r\n\r\n")
    first, *lines = begin.decode().split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    return Answer(int(first.split()[1]), headers, rest)


@asynccontextmanager
async def serving(tmp_path: Path, access: Access | None = None, terms: WebTerms | None = None) -> AsyncIterator[int]:
    """Serve a page for posts, one that has two methods on two routes, and files; give the port."""
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "a.js").write_text("file")
    app = web_app("t", "", lambda: None, CollectorRegistry(), access, ("/", "/files/"), terms)

    @app.post("/v1/{name}/frames")
    async def post(name: str, request: Request) -> str:
        return f"{name} {len(await request.body())} {request.url.query} {request.headers['host']}"

    @app.get("/v1/{name}")
    async def one(name: str) -> str:
        return name

    @app.delete("/v1/{name}")
    async def gone(name: str) -> str:
        return name

    @app.get("/")
    async def front() -> str:
        return "front"

    app.mount("/files", StaticFiles(directory=tmp_path / "files"))
    web = WebServer(app, "127.0.0.1:0")
    await web.start()
    try:
        yield web.port
    finally:
        await web.stop(0.1)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_every_form_of_a_path_means_the_same_and_keeps_the_body(tmp_path: Path) -> None:
    async with serving(tmp_path) as port:
        body = b"x" * 100_000
        for target in ("/v1/hall/frames", "/v1/hall/frames/", "/v1/hall/frames//"):
            answer = await raw(port, f"POST {target}?a=b HTTP/1.1", body)
            assert (answer.status, answer.body) == (200, b'"hall 100000 a=b here"'), target
        for origin in ("http://cam.example:81", "HTTPS://user@cam.example:81"):
            answer = await raw(port, f"POST {origin}/v1/hall/frames/?a=b HTTP/1.1", body)
            assert (answer.status, answer.body) == (200, b'"hall 100000 a=b cam.example:81"'), origin
        for target in (
            "/metrics",
            "/metrics/",
            "/healthz",
            "/healthz/",
            "/readyz/",
            "/files/a.js",
            "/files/a.js/",
            "/",
        ):
            for prefix in ("", "http://here", "https://here:443"):
                assert (await raw(port, f"GET {prefix}{target} HTTP/1.1")).status == 200, prefix + target
        for target in ("http://here", "http://here?a=b", "//", "/?"):
            assert (await raw(port, f"GET {target} HTTP/1.1")).body == b'"front"', target
        for target in ("http:///", "http://", "http:/x", "here:80", "*", "/nothing/", "http://here/nothing"):
            assert (await raw(port, f"GET {target} HTTP/1.1")).status in (200, 404), target
        assert (await raw(port, "CONNECT here:80 HTTP/1.1")).status in (404, 405)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_head_and_options_answer_on_every_page(tmp_path: Path) -> None:
    async with serving(tmp_path) as port:
        for path in ("/metrics", "/healthz", "/readyz", "/", "/v1/hall", "/files/a.js", "/openapi.json", "/healthz/"):
            got, headed = await raw(port, f"GET {path} HTTP/1.1"), await raw(port, f"HEAD {path} HTTP/1.1")
            assert (headed.status, headed.body) == (got.status, b""), path
            for name in ("content-type", "content-length"):
                assert headed.headers[name] == got.headers[name] or path == "/metrics", (path, name)
            asked = await raw(port, f"OPTIONS {path} HTTP/1.1")
            methods = "DELETE, GET, HEAD, OPTIONS" if path == "/v1/hall" else "GET, HEAD, OPTIONS"
            assert (asked.status, asked.headers["allow"], asked.body) == (204, methods, b""), path
        frames = "/v1/hall/frames"
        assert (await raw(port, f"OPTIONS {frames} HTTP/1.1")).headers["allow"] == "OPTIONS, POST"
        for method in ("GET", "HEAD", "PUT", "BREW"):
            refused = await raw(port, f"{method} {frames} HTTP/1.1")
            assert (refused.status, refused.headers["allow"]) == (405, "OPTIONS, POST"), method
            assert (refused.body == b"") is (method == "HEAD")
        assert (await raw(port, "PUT /v1/hall HTTP/1.1")).headers["allow"] == "DELETE, GET, HEAD, OPTIONS"
        for method in ("HEAD", "OPTIONS", "GET"):
            assert (await raw(port, f"{method} /nothing HTTP/1.1")).status == 404
        everything = await raw(port, "OPTIONS * HTTP/1.1")
        assert (everything.status, "POST" in everything.headers["allow"]) == (204, True)


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_no_form_of_a_request_goes_around_the_tokens(tmp_path: Path) -> None:
    folder = TokenFolder(tmp_path / "tokens")
    access = Access(Tokens(folder.path), Meters("t", CollectorRegistry()))
    async with serving(tmp_path, access, WebTerms(cors_origins=("https://shop.example",))) as port:
        for target in (
            "/metrics",
            "/metrics/",
            "http://here/metrics",
            "http://here/healthz/../metrics",
            "/metrics?token",
        ):
            for method in ("GET", "HEAD", "OPTIONS", "POST"):
                answer = await raw(port, f"{method} {target} HTTP/1.1\r\nOrigin: https://shop.example")
                # A path with dots in it is no path of ours.
                assert answer.status == 401, (method, target)
                assert answer.headers["access-control-allow-origin"] == "https://shop.example"
        for target in ("/healthz/", "http://here/healthz", "/files/a.js"):
            assert (await raw(port, f"GET {target} HTTP/1.1")).status == 200, target


@given(st.text("/abc%2F:?*\\. ", max_size=12), st.sampled_from(["", "http://h", "https://u@h:1"]))
def test_every_target_becomes_one_path(path: str, prefix: str) -> None:
    """The path that is asked about is the one that is looked for, and begins with a slash."""
    seen: list[Scope] = []

    async def app(scope: Scope, receive: object, send: object) -> None:
        seen.append(scope)

    async def nothing(_: Message | None = None) -> Message:
        raise AssertionError("it answers nothing by itself")

    raw_path = prefix + "/" + path.partition("?")[0]
    scope = {"type": "http", "method": "GET", "path": raw_path, "raw_path": raw_path.encode(), "headers": []}
    asyncio.run(OneForm(app)(scope, nothing, nothing))  # type: ignore[arg-type]
    (found,) = seen
    assert found["path"].startswith("/")
    assert found["path"] == "/" or not found["path"].endswith("/")
