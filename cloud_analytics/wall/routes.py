"""The wall's addresses: `/` (the page), `/wall/<file>` (its scripts and styles) and `/wall/socket`.

    add_wall(app, subscriptions)

A browser shows its token as a protocol of the WebSocket, `taxon.token.TOKEN` beside `taxon.wall`, since it can set no header there.
The page itself needs no token: it holds no results.

Laws: the page loads nothing from elsewhere, and the browser enforces it (Content-Security-Policy).
Only pages of this very origin may open the socket. No more walls are open than `WallLimits.most_walls`.
"""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Mapping
from os import PathLike, stat_result
from pathlib import Path
from urllib.parse import urlsplit

from fastapi import FastAPI, Request, Response, WebSocket, WebSocketDisconnect
from fastapi.responses import FileResponse
from prometheus_client import CollectorRegistry
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.staticfiles import NotModifiedResponse, StaticFiles
from starlette.types import Scope
from typing_extensions import override

from cloud_analytics.wall.follower import WallSource
from cloud_analytics.wall.limits import WallLimits, WallMetrics
from cloud_analytics.wall.session import Session
from shared.errors import Busy, Draining, TaxonError, TooLarge
from shared.server.access.callers import HEADER, TOLD_SECONDS, Access, Call
from shared.server.access.interceptors import only
from shared.server.access.scopes import Action
from shared.telemetry.logs import Throttle, logger
from shared.telemetry.metrics import Meters
from shared.transport.status_codes import INTERNAL, status_of

log = logger("cloud.wall")

HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    # A browser keeps the files but asks again each time, so that a page never meets scripts of another release.
    "Cache-Control": "no-cache",
}

POLICY_VIOLATION, TOO_BIG, INTERNAL_ERROR, SERVICE_RESTART, TRY_AGAIN_LATER = 1008, 1009, 1011, 1012, 1013
WALL_OPEN_PATHS = ("/", "/wall/")
PROTOCOL, TOKEN_PROTOCOL = "taxon.wall", "taxon.token."
_LONGEST_REASON_BYTES = 123


class _PageFiles(StaticFiles):
    """The page's files, answered with `HEADERS`.

    Law: a browser's copy is told by its content alone. Starlette would go by size and time, which two releases may share.
    """

    @override
    async def get_response(self, path: str, scope: Scope) -> Response:
        try:
            return await super().get_response(path, scope)
        except HTTPException as refusal:
            raise HTTPException(
                refusal.status_code, refusal.detail, {**HEADERS, **(refusal.headers or {})}
            ) from refusal

    @override
    def file_response(
        self, full_path: str | PathLike[str], stat_result: stat_result, scope: Scope, status_code: int = 200
    ) -> Response:
        etag = {"ETag": f'"{hashlib.sha256(Path(full_path).read_bytes()).hexdigest()[:32]}"'}
        response = FileResponse(full_path, status_code, {**HEADERS, **etag}, stat_result=stat_result)
        del response.headers["Last-Modified"]
        is_known = self.is_not_modified(response.headers, Headers(scope=scope))
        return NotModifiedResponse(response.headers) if is_known else response


def add_wall(
    app: FastAPI,
    source: WallSource,
    limits: WallLimits | None = None,
    metrics: WallMetrics | None = None,
    access: Access | None = None,
) -> None:
    """Add the wall to the cloud's HTTP server.

    source: the service's `Subscriptions`. metrics: by default in a registry of their own.
    access: None lets everybody in. A wall shows all cameras, so it needs the scope `subscribe` of all of them.
    """
    asked = access or Access()
    files, chosen = _PageFiles(packages=[("cloud_analytics.wall", "static")]), limits or WallLimits()
    counted = metrics or WallMetrics(Meters("taxon_cloud", CollectorRegistry()))
    sessions: set[Session] = set()
    throttle = Throttle(TOLD_SECONDS)
    counted.pages.set_function(lambda: len(sessions))

    @app.get("/", include_in_schema=False)
    async def page(request: Request) -> Response:
        return await files.get_response("index.html", request.scope)

    @app.websocket("/wall/socket")
    async def socket(websocket: WebSocket) -> None:
        if not _same_origin(websocket):
            if throttle.due():
                origin = websocket.headers.get("origin", "")[:128]
                log.warning("a page of another origin was refused", origin=origin, times=throttle.times)
            counted.refused.labels("ORIGIN").inc()
            await websocket.close(POLICY_VIOLATION)
            return
        # Accepted before it is refused: a browser tells its page the reason of a close, not that of a failed handshake.
        offered = websocket.scope.get("subprotocols", [])
        await websocket.accept(PROTOCOL if PROTOCOL in offered else None)
        try:
            caller = asked.caller(_authorization(websocket), Call("http", "wall", _peer(websocket)))
            caller.require_every(Action.SUBSCRIBE)
        except TaxonError as error:
            await _send_away(websocket, error, counted)
            return
        if len(sessions) >= chosen.most_walls:
            await _send_away(
                websocket, Busy(f"{chosen.most_walls} walls are open already; close one, or wait"), counted
            )
            return
        session = Session(websocket, source, chosen, counted, lambda: caller.require_every(Action.SUBSCRIBE))
        sessions.add(session)
        counted.opened.inc()
        try:
            await session.run()
        except TaxonError as error:
            await _send_away(websocket, error, counted)
        finally:
            sessions.discard(session)

    # After the socket: what is mounted takes every other address below it.
    app.mount("/wall", files, "wall")


def _authorization(websocket: WebSocket) -> str | None:
    """Return the caller's token as an Authorization header has it.

    A browser offers it among the protocols; another client may send the header itself.
    """
    offered = [
        f"Bearer {one.removeprefix(TOKEN_PROTOCOL)}"
        for one in websocket.scope.get("subprotocols", [])
        if one.startswith(TOKEN_PROTOCOL)
    ]
    return only(offered or websocket.headers.getlist(HEADER))


def _peer(websocket: WebSocket) -> str:
    return "" if websocket.client is None else f"{websocket.client.host}:{websocket.client.port}"


def _same_origin(websocket: WebSocket) -> bool:
    """Return True where the page that asks is ours; a client that names no origin is no browser."""
    origin = websocket.headers.get("origin")
    try:
        return origin is None or urlsplit(origin).netloc == websocket.headers.get("host")
    except ValueError:  # The origin is no address.
        return False


async def _send_away(websocket: WebSocket, error: TaxonError, counted: WallMetrics) -> None:
    status = status_of(error)
    counted.refused.labels(status.reason).inc()
    log.debug("a wall was sent away", reason=status.reason, detail=str(error))
    if isinstance(error, Busy):
        code = TRY_AGAIN_LATER
    elif isinstance(error, Draining):
        code = SERVICE_RESTART
    elif isinstance(error, TooLarge):
        code = TOO_BIG
    else:
        code = INTERNAL_ERROR if status == INTERNAL else POLICY_VIOLATION
    reason = f"{status.reason}: {error}".encode()[:_LONGEST_REASON_BYTES].decode(errors="ignore")
    # The page may have gone by itself meanwhile.
    with contextlib.suppress(WebSocketDisconnect, RuntimeError):
        await websocket.close(code, reason)
