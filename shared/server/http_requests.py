"""Requests as all kinds of clients write them, before and behind the question of access.

    "GET http://host/metrics/?x HTTP/1.1" --OneForm--> /metrics --TokenMiddleware--> EveryMethod --> the route
                                                                                     `--> HEAD, OPTIONS

Laws: an absolute target and one with a slash at its end mean the same as the plain path, and are answered without a
redirect, which would lose a posted body. HEAD answers as GET does, without a body; OPTIONS says what a page takes.
"""

from __future__ import annotations

import re
from urllib.parse import unquote

from starlette.responses import Response
from starlette.routing import BaseRoute, Match, Mount
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_ABSOLUTE = re.compile(rb"(?:https?|wss?)://([^/?#]*)", re.I)


class OneForm:
    """Gives every request's path the form that the routes have. It stands before all that looks at a path."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand the request on, or answer `OPTIONS *`, which asks for nothing."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        if scope.get("method") == "OPTIONS" and scope["path"] == "*":
            answer = Response(status_code=204, headers={"Allow": ", ".join(sorted((*_METHODS, "HEAD", "OPTIONS")))})
            await answer(scope, receive, send)
            return
        await self._app(_plain(scope), receive, send)


class EveryMethod:
    """Answers HEAD and OPTIONS wherever there is a route. It stands right before the routes."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer the request, or hand it on."""
        method = scope["method"] if scope["type"] == "http" else ""
        if method == "HEAD":
            # The server keeps the answer's body back by itself; other ASGI servers may not.
            await self._app({**scope, "method": "GET"}, receive, lambda message: send(_without_body(message)))
        elif method == "OPTIONS" and (allow := allowed_methods(scope)):
            await Response(status_code=204, headers={"Allow": allow})(scope, receive, send)
        else:
            await self._app(scope, receive, send)


def allowed_methods(scope: Scope) -> str:
    """Return the methods of all routes at a request's path, as the header Allow has them; an empty text for none."""
    routes: list[BaseRoute] = scope["app"].router.routes
    found = {method for method in _METHODS if any(_takes(route, scope, method) for route in routes)}
    if not found:
        return ""
    return ", ".join(sorted(found | {"OPTIONS"} | ({"HEAD"} if "GET" in found else set())))


def _takes(route: BaseRoute, scope: Scope, method: str) -> bool:
    if isinstance(route, Mount) and method != "GET":
        # Files are mounted. A mount matches all methods, and refuses later.
        return False
    return route.matches({**scope, "method": method})[0] is Match.FULL


def _plain(scope: Scope) -> Scope:
    """Return the request with a path alone as its target."""
    path: str = scope["path"]
    raw: bytes = scope.get("raw_path") or b""
    headers = scope["headers"]
    if absolute := _ABSOLUTE.match(raw):
        rest = raw[absolute.end() :]
        raw = rest if rest.startswith(b"/") else b"/"
        path = unquote(raw.decode("ascii", "replace"))
        # Such a target names the host, whatever the header says (RFC 9112, 3.2.2).
        host = absolute[1].rpartition(b"@")[2]
        headers = [(b"host", host), *((name, value) for name, value in headers if name != b"host")]
    return {
        **scope,
        "path": path.rstrip("/") or "/",
        "raw_path": raw.rstrip(b"/") or b"/",
        "headers": headers,
    }


def _without_body(message: Message) -> Message:
    return {**message, "body": b""} if message["type"] == "http.response.body" else message
