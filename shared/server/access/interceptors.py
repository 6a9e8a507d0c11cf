"""The question of access at a service's gRPC and HTTP servers, before anything of a call is read.

    gRPC   --TokenInterceptor--> handler --caller_of_call--> Caller        health alone is open to everybody
    HTTP   --TokenMiddleware---> route   --caller_of_request--> Caller     so are the paths that the service names
           Authorization: Bearer, or Basic; ?token= where a setting takes it

Law: what is not named as open is closed, whatever is added later. (A WebSocket's route asks by itself, since browsers
can set no header.)
Law: behind TokenMiddleware no request has a token in its address. Where one came so, no cache keeps the answer.
Law: a browser's kept password serves no page of another origin.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias
from urllib.parse import unquote_plus, unquote_to_bytes, urlsplit

import grpc
from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBasic, HTTPBearer
from starlette.datastructures import MutableHeaders
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from typing_extensions import override

from shared.errors import RequestError, Unauthenticated
from shared.server.access.callers import ASKED, BASIC, HEADER, Access, Call, Caller, scheme_of
from shared.server.access.web_terms import WebTerms
from shared.transport.status_codes import abort, problem, status_of

HEALTH = "/grpc.health.v1.Health/"
PROBLEM_JSON = "application/problem+json"
TOKEN_PARAMETER = "token"
CHALLENGE = 'Bearer, Basic realm="taxon", charset="UTF-8"'
_NO_URL_TOKENS = "a token in the address is not taken here (--tokens-in-urls)"
_OTHER_ORIGIN = "a password that a browser keeps is not taken from a page of another origin (--cors-origins)"


class _DescribedBasic(HTTPBasic):
    """The scheme as OpenAPI tells it. The package's own would refuse a request by itself, also where nobody asks."""

    @override
    async def __call__(self, request: HTTPConnection) -> None:
        return


ASKS = (
    Depends(
        HTTPBearer(
            scheme_name="token",
            description="Where the service has a token file (`--tokens`). `taxon token` makes one.",
            auto_error=False,
        )
    ),
    Depends(
        _DescribedBasic(
            scheme_name="password",
            description="The same token as a password, with any user's name, for devices that know no tokens.",
            auto_error=False,
        )
    ),
)
"""The `dependencies` of a route that is not open.

They only tell OpenAPI: TokenMiddleware asks, before the route is looked for.
"""
ACCESS_REFUSALS: Mapping[int | str, str] = {
    401: "No token, or one that is unknown here",
    403: "The token has no scope for this",
}

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


def caller_of_call(access: Access, context: grpc.aio.ServicerContext[Any, Any], what: str) -> Caller:
    """Return the caller of a gRPC method; raises Unauthenticated."""
    return access.caller(_shown(context.invocation_metadata()), Call("rpc", what, context.peer()))


def caller_of_request(request: Request) -> Caller:
    """Return the caller of a path that is not open."""
    caller = request.state.caller
    assert isinstance(caller, Caller)
    return caller


class TokenInterceptor(grpc.aio.ServerInterceptor):
    """Refuses every call without a known token, before its handler is looked for."""

    def __init__(self, access: Access) -> None:
        self._access = access

    @override
    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        method = handler_call_details.method
        handler = await continuation(handler_call_details)
        if method.startswith(HEALTH) or not self._access.asks:
            return handler
        try:
            self._access.caller(_shown(handler_call_details.invocation_metadata), Call("rpc", method, ""))
        except RequestError as error:
            return _refusing(handler, error)
        return handler


class TokenMiddleware:
    """Refuses every HTTP request without a known token.

    open_paths: the paths that everybody may ask for; one that ends with / stands for all below it.
    """

    def __init__(
        self, app: ASGIApp, access: Access, open_paths: tuple[str, ...], terms: WebTerms | None = None
    ) -> None:
        self._app = app
        self._access = access
        self._open = open_paths
        self._terms = terms or WebTerms()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or hand it on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        query, in_url = without_tokens(scope["query_string"])
        scope = {**scope, "query_string": query}
        if not self._is_open(scope["path"]):
            request = Request(scope)
            try:
                request.state.caller = self._caller(request, in_url)
            except RequestError as error:
                # The body is not read, so that the connection cannot go on.
                headers = challenge(error) | {"Connection": "close"}
                answer = JSONResponse(problem(error), status_of(error).http, headers, PROBLEM_JSON)
                await answer(scope, receive, _untold(send) if in_url else send)
                return
        await self._app(scope, receive, _untold(send) if in_url else send)

    def _caller(self, request: Request, in_url: Sequence[str]) -> Caller:
        peer = "" if request.client is None else f"{request.client.host}:{request.client.port}"
        call = Call("http", f"{request.method} {request.url.path}", peer)
        shown = only(request.headers.getlist(HEADER))
        if HEADER not in request.headers and in_url and self._access.asks:
            if not self._terms.tokens_in_urls:
                raise self._access.refused(call, Unauthenticated(f"{ASKED}; {_NO_URL_TOKENS}"))
            shown = None if (token := only(in_url)) is None else f"Bearer {token}"
        elif scheme_of(shown or "") == BASIC and self._access.asks and not self._may_ask(request):
            raise self._access.refused(call, Unauthenticated(f"{ASKED}; {_OTHER_ORIGIN}"))
        return self._access.caller(shown, call)

    def _may_ask(self, request: Request) -> bool:
        """Return True for a page of this very origin or an allowed one, and for what is no page at all."""
        origin = request.headers.get("origin")
        allowed = self._terms.cors_origins
        if origin is None or origin in allowed:
            return True
        try:
            return urlsplit(origin).netloc == request.headers.get("host")
        except ValueError:  # The origin is no address.
            return False

    def _is_open(self, path: str) -> bool:
        return any(path == one or (one.endswith("/") and one != "/" and path.startswith(one)) for one in self._open)


def without_tokens(query: bytes) -> tuple[bytes, tuple[str, ...]]:
    """Return a query without its tokens, and the tokens."""
    if TOKEN_PARAMETER.encode() not in unquote_to_bytes(query):
        return query, ()
    kept: list[bytes] = []
    tokens: list[str] = []
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if unquote_plus(name.decode("latin-1")) == TOKEN_PARAMETER:
            tokens.append(unquote_plus(value.decode("latin-1")))
        else:
            kept.append(part)
    return b"&".join(kept), tuple(tokens)


def _untold(send: Send) -> Send:
    """Return a `send` whose answers no cache keeps, and whose address no other site is told."""

    async def sent(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(raw=list(message.get("headers", ())))
            headers["Cache-Control"], headers["Referrer-Policy"] = "no-store", "no-referrer"
            message = {**message, "headers": headers.raw}
        await send(message)

    return sent


def challenge(error: Exception) -> dict[str, str]:
    """Return the headers of a refusal; 401 says what to show."""
    return {"WWW-Authenticate": CHALLENGE} if status_of(error).http == 401 else {}


def only(shown: Sequence[str]) -> str | None:
    """Return the one header that is shown. Of several nobody could say which one is meant."""
    return shown[0] if len(shown) == 1 else None


def _shown(metadata: Any) -> str | None:
    return only([value for key, value in metadata or () if key == HEADER and isinstance(value, str)])


def _refusing(handler: Handler, error: RequestError) -> Handler:
    """Return a handler that refuses, and reads nothing of what was sent.

    An unknown method is refused alike, so that nobody can ask which methods there are. The handler takes a stream of
    requests: gRPC would read the one message of any other kind, however large, before it asks the handler.
    """

    async def refuse(_: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await abort(context, error)

    if handler is not None and handler.response_streaming:
        return grpc.stream_stream_rpc_method_handler(refuse)
    return grpc.stream_unary_rpc_method_handler(refuse)
