"""An HTTP server in the service's own loop, with what every service answers: /healthz, /readyz and /metrics.

    web_app --the service adds its own routes--> FastAPI app --WebServer--> listening until it is stopped
    a request --OneForm--> CORS --TokenMiddleware--> EveryMethod --> route

Law: no page asks another machine; its scripts come from this installation.
"""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
from collections.abc import Callable, Iterator
from http import HTTPStatus
from importlib.metadata import version
from typing import Any, cast

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import CollectorRegistry, disable_created_metrics
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware

from shared.errors import AddressInUse, TaxonError
from shared.server.access.callers import Access
from shared.server.access.interceptors import (
    ACCESS_REFUSALS,
    ASKS,
    PROBLEM_JSON,
    TOKEN_PARAMETER,
    TokenMiddleware,
    caller_of_request,
    challenge,
)
from shared.server.access.scopes import Action
from shared.server.access.web_terms import WebTerms
from shared.server.connections.http_limit import HttpConnectionLimit
from shared.server.connections.tls_handshake import Handshake
from shared.server.connections.websocket import LimitedWebSocket
from shared.server.exposition import metrics_answer
from shared.server.http_requests import EveryMethod, OneForm, allowed_methods
from shared.server.tls.certificates import ServerTls
from shared.transport.status_codes import problem, status_of

# prometheus_client would add to each counter a second series with the time of its beginning, which nobody draws.
disable_created_metrics()  # type: ignore[no-untyped-call]

_PROBLEM: dict[str, object] = {PROBLEM_JSON: {"schema": {"type": "object", "required": ["title", "status", "detail"]}}}
OPEN_PATHS = ("/healthz", "/readyz")
"""The open paths: probes show no token, and learn nothing but whether the service works."""
ASKED_HEADERS = (
    "Authorization", "Content-Encoding", "Content-Type", "If-Match", "If-None-Match", "X-Capture-Time", "traceparent",
)  # fmt: skip
ANSWERED_HEADERS = ("Allow", "ETag", "Retry-After", "WWW-Authenticate")
"""The headers that a page of an allowed origin may send and read, beside those that every page may."""
IDLE_CONNECTION_SECONDS = 30
MOST_CONNECTIONS = 800
"""The most connections, fewer than the 1024 files that a process may open where nobody said otherwise."""


def web_app(
    title: str,
    description: str,
    ready: Callable[[], str | None],
    registry: CollectorRegistry,
    access: Access | None = None,
    open_paths: tuple[str, ...] = (),
    terms: WebTerms | None = None,
) -> FastAPI:
    """Make an app with the common routes.

    ready: gives None when the service is ready, else what it waits for. access: None lets everybody in. open_paths: as
    in `TokenMiddleware`, beside the probes'. terms: for browsers and simple devices.
    """
    given = terms or WebTerms()
    app = FastAPI(
        title=title,
        description=description,
        version=version("taxon"),
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
        generate_unique_id_function=lambda route: route.name,
    )

    @app.get("/healthz", tags=["health"], summary="Whether the process works")
    async def healthz() -> dict[str, str]:
        return {"status": "alive"}

    @app.get("/readyz", tags=["health"], summary="Whether it takes work", responses={503: {"description": "Not ready"}})
    async def readyz() -> JSONResponse:
        waits_for = ready()
        return JSONResponse(
            {"status": "ready" if waits_for is None else f"not ready: {waits_for}"}, 200 if waits_for is None else 503
        )

    @app.get(
        "/metrics",
        tags=["health"],
        summary="Prometheus metrics",
        response_class=Response,
        dependencies=ASKS,
        responses={status: {"description": told, "content": _PROBLEM} for status, told in ACCESS_REFUSALS.items()},
    )
    async def metrics(request: Request) -> Response:
        caller_of_request(request).require(Action.METRICS)
        return await metrics_answer(registry, request)

    @app.exception_handler(TaxonError)
    async def refused(_: Request, error: TaxonError) -> JSONResponse:
        return JSONResponse(problem(error), status_of(error).http, challenge(error), PROBLEM_JSON)

    @app.exception_handler(HTTPException)
    async def not_here(request: Request, error: HTTPException) -> JSONResponse:
        answer = {
            "title": HTTPStatus(error.status_code).name,
            "status": error.status_code,
            "detail": f"{request.method} {request.url.path}: {error.detail}",
        }
        headers = dict(error.headers or {})
        if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
            # The framework names the methods of one route, and there may be several at this path.
            headers["Allow"] = allowed_methods(request.scope)
        return JSONResponse(answer, error.status_code, headers, PROBLEM_JSON)

    # The last that is added is the first that sees a request.
    app.add_middleware(EveryMethod)
    app.add_middleware(TokenMiddleware, access=access or Access(), open_paths=OPEN_PATHS + open_paths, terms=given)
    if given.cors_origins:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=given.cors_origins,
            allow_methods=("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"),
            allow_headers=ASKED_HEADERS,
            expose_headers=ANSWERED_HEADERS,
            # Never cookies or passwords that a browser keeps: a page shows its token itself.
            allow_credentials=False,
            **_private_network(given.cors_origins),
        )
    app.add_middleware(OneForm)
    if given.tokens_in_urls:
        _describe_tokens_in_urls(app)
    return app


def _private_network(origins: tuple[str, ...]) -> dict[str, Any]:
    """Return the option that lets pages of the internet ask a service in a private network, which some browsers ask about.

    Only origins that are named may; the releases of the framework that do not know the option do not refuse the question.
    """
    is_known = "allow_private_network" in inspect.signature(CORSMiddleware).parameters
    return {"allow_private_network": "*" not in origins} if is_known else {}


def _describe_tokens_in_urls(app: FastAPI) -> None:
    """Let OpenAPI say that a token may stand in the address, too."""
    described = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            document = described()
            operations = [operation for path in document["paths"].values() for operation in path.values()]
            for operation in operations:
                if "security" in operation:
                    operation["security"].append({"address": []})
            schemes = document.setdefault("components", {}).setdefault("securitySchemes", {})
            schemes["address"] = {"type": "apiKey", "in": "query", "name": TOKEN_PARAMETER}
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]


class WebServer:
    """uvicorn without its own signal handlers.

    address: host:port; port 0 takes a free one. tls: None for plain text. limit: the bounds of its connections.
    """

    def __init__(
        self,
        app: FastAPI,
        address: str,
        largest_socket_message_bytes: int = 1 << 20,
        tls: ServerTls | None = None,
        limit: HttpConnectionLimit | None = None,
    ) -> None:
        limit = limit or HttpConnectionLimit(MOST_CONNECTIONS)
        host, _, port = address.rpartition(":")
        self._host, self._wanted = host.strip("[]") or "127.0.0.1", int(port)
        self.port = 0
        self._server = _Quiet(
            uvicorn.Config(
                app,
                log_config=None,
                access_log=False,
                lifespan="off",
                http=cast(type[asyncio.Protocol], _protocol(limit, tls)),
                ws=cast(type[asyncio.Protocol], lambda **given: LimitedWebSocket(limit, **given)),
                ws_max_size=largest_socket_message_bytes,
                # What travels there is mostly PNG, which is compressed already.
                ws_per_message_deflate=False,
                timeout_keep_alive=IDLE_CONNECTION_SECONDS,
                server_header=False,
            )
        )
        self._scheme = "http" if tls is None else "https"
        self._serving: asyncio.Task[None] | None = None

    @property
    def config(self) -> uvicorn.Config:
        """Return how uvicorn is set up, its protocols among it."""
        return self._server.config

    @property
    def url(self) -> str:
        """The address under which a browser on this machine finds it."""
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._host, self._host)
        return f"{self._scheme}://[{host}]:{self.port}/" if ":" in host else f"{self._scheme}://{host}:{self.port}/"

    async def start(self) -> None:
        """Listen, and return when it does; raises AddressInUse."""
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        # asyncio turns Nagle's algorithm off only where the socket names TCP. With it an answer, which is written in parts,
        # waits about 40 ms for the other side's acknowledgement of its first part.
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind((self._host, self._wanted))
        except OSError as error:
            listening.close()
            raise AddressInUse(
                f"cannot listen for HTTP on {self._host}:{self._wanted} ({error.strerror}); name another address with --http"
            ) from error
        self.port = listening.getsockname()[1]
        self._serving = asyncio.create_task(self._server.serve([listening]), name="http")
        while not self._server.started and not self._serving.done():
            await asyncio.sleep(0.01)

    async def stop(self, grace_seconds: float) -> None:
        """Take no new connection, finish the requests, and end them by force after `grace_seconds`."""
        if self._serving is None:
            return
        self._server.config.timeout_graceful_shutdown = max(1, round(grace_seconds))
        self._server.should_exit = True
        try:
            await asyncio.wait_for(asyncio.shield(self._serving), grace_seconds + 1)
        except TimeoutError:
            self._server.force_exit = True
            await self._serving


def _protocol(limit: HttpConnectionLimit, tls: ServerTls | None) -> Callable[..., asyncio.Protocol]:
    """Return the maker of protocols for accepted connections.

    uvicorn is given no certificate: `Handshake` speaks TLS itself, so that it is counted among the connections.
    """
    if tls is None:
        return limit.protocol

    def secured(**given: Any) -> asyncio.Protocol:
        return Handshake(limit, limit.protocol(**given), tls.web_context())

    return secured


class _Quiet(uvicorn.Server):
    """A uvicorn server that leaves the process's signals to the service."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
