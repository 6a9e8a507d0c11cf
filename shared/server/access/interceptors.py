"""The question of access at a service's gRPC and HTTP servers, before anything of a call is read.

    gRPC   --TokenInterceptor--> handler --caller_of_call--> Caller        health alone is open to everybody
    HTTP   --TokenMiddleware---> route   --caller_of_request--> Caller     so are the paths that the service names

Law: what is not named as open is closed, whatever is added later. (A WebSocket's route asks by itself, since browsers
can set no header.)
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

import grpc
from fastapi import Depends, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from starlette.types import ASGIApp, Receive, Scope, Send
from typing_extensions import override

from shared.errors import RequestError
from shared.server.access.callers import HEADER, Access, Call, Caller
from shared.transport.status_codes import abort, problem, status_of

HEALTH = "/grpc.health.v1.Health/"
PROBLEM_JSON = "application/problem+json"
ASKS = (
    Depends(
        HTTPBearer(
            scheme_name="token",
            description="Where the service has a token file (`--tokens`). `taxon token` makes one.",
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

    def __init__(self, app: ASGIApp, access: Access, open_paths: tuple[str, ...]) -> None:
        self._app = app
        self._access = access
        self._open = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Refuse the request, or hand it on."""
        if scope["type"] == "http" and not self._is_open(scope["path"]):
            request = Request(scope)
            peer = "" if request.client is None else f"{request.client.host}:{request.client.port}"
            call = Call("http", f"{request.method} {request.url.path}", peer)
            try:
                request.state.caller = self._access.caller(only(request.headers.getlist(HEADER)), call)
            except RequestError as error:
                # The body is not read, so that the connection cannot go on.
                headers = challenge(error) | {"Connection": "close"}
                answer = JSONResponse(problem(error), status_of(error).http, headers, PROBLEM_JSON)
                await answer(scope, receive, send)
                return
        await self._app(scope, receive, send)

    def _is_open(self, path: str) -> bool:
        return any(path == one or (one.endswith("/") and one != "/" and path.startswith(one)) for one in self._open)


def challenge(error: Exception) -> dict[str, str]:
    """Return the headers of a refusal; 401 says what to show."""
    return {"WWW-Authenticate": "Bearer"} if status_of(error).http == 401 else {}


def only(shown: Sequence[str]) -> str | None:
    """Return the one header that is shown. Of several nobody could say which one is meant."""
    return shown[0] if len(shown) == 1 else None


def _shown(metadata: Any) -> str | None:
    return only([value for key, value in metadata or () if key == HEADER and isinstance(value, str)])


def _refusing(handler: Handler, error: RequestError) -> Handler:
    """Return a handler of the same kind that refuses.

    An unknown method is refused alike, so that nobody can ask which methods there are.
    """

    async def refuse(_: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
        await abort(context, error)

    if handler is None or not handler.response_streaming:
        streams = handler is not None and handler.request_streaming
        return grpc.stream_unary_rpc_method_handler(refuse) if streams else grpc.unary_unary_rpc_method_handler(refuse)
    return (
        grpc.stream_stream_rpc_method_handler(refuse)
        if handler.request_streaming
        else grpc.unary_stream_rpc_method_handler(refuse)
    )
