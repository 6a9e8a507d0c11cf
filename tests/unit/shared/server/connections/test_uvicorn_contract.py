"""What this project takes from inside uvicorn, which promises none of it: the range in pyproject.toml rises only past this test.

Our HTTP connection and our WebSocket are subclasses of uvicorn's own. They replace some of its methods, call others and read its
state. A release that renames one of these would not fail: it would no longer call what bounds a connection.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import h11
import pytest
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import Server, ServerState

from shared.server.connections.http_limit import GuardedHttp
from shared.server.connections.websocket import LimitedWebSocket

GIVEN = ("self", "config", "server_state", "app_state", "_loop")
REPLACED: dict[type, dict[str, tuple[str, ...]]] = {
    GuardedHttp: {
        "__init__": GIVEN,
        "connection_made": ("self", "transport"),
        "connection_lost": ("self", "exc"),
        "data_received": ("self", "data"),
        "pause_writing": ("self",),
        "resume_writing": ("self",),
        "on_response_complete": ("self",),
        "send_400_response": ("self", "msg"),
        "handle_websocket_upgrade": ("self", "event"),
    },
    LimitedWebSocket: {
        "__init__": GIVEN,
        "connection_made": ("self", "transport"),
        "connection_lost": ("self", "exc"),
        "pause_writing": ("self",),
        "resume_writing": ("self",),
        "handle_ping": ("self",),
        "send_receive_event_to_app": ("self",),
    },
}
"""The methods that ours replace, with uvicorn's parameters."""
CALLS: list[tuple[Callable[..., Any], str]] = [
    (H11Protocol.data_received, "handle_events"),
    (H11Protocol.handle_events, "send_400_response"),
    (H11Protocol.handle_events, "handle_websocket_upgrade"),
    (H11Protocol.handle_events, "on_response_complete"),
    (H11Protocol.on_response_complete, "timeout_keep_alive_task"),
    (H11Protocol.handle_websocket_upgrade, "ws_protocol_class"),
    (H11Protocol.handle_websocket_upgrade, "connection_made"),
    (H11Protocol.handle_websocket_upgrade, "set_protocol"),
    (RequestResponseCycle.send, "on_response"),
    (WebSocketsSansIOProtocol.handle_events, "handle_ping"),
    (WebSocketsSansIOProtocol.handle_text, "send_receive_event_to_app"),
    (WebSocketsSansIOProtocol.handle_bytes, "send_receive_event_to_app"),
    (WebSocketsSansIOProtocol.handle_cont, "send_receive_event_to_app"),
    (Server.serve, "capture_signals"),
    (Server.startup, "http_protocol_class"),
    (Server.shutdown, "timeout_graceful_shutdown"),
]
"""Where uvicorn calls, or looks at, what is ours."""
HTTP_STATE = ("connections", "conn", "cycle", "loop", "timeout_keep_alive_task", "transport")
CYCLE_STATE = ("disconnected", "message_event", "response_complete")
SOCKET_STATE = ("close_sent", "conn", "curr_msg_data_type", "frames", "handle_parser_exception", "loop", "transport")
SERVER_STATE = ("config", "force_exit", "should_exit", "started")


def names_in(code: Any) -> set[str]:
    """The names that a function uses, with those of the functions within it."""
    found = set(code.co_names)
    for constant in code.co_consts:
        if inspect.iscode(constant):
            found |= names_in(constant)
    return found


def made(kind: type[Any]) -> Any:
    """A protocol of uvicorn's, as its server makes one for each connection."""
    return kind(uvicorn.Config(_app, log_config=None, lifespan="off"), ServerState(), {}, None)


async def _app(scope: Any, receive: Any, send: Any) -> None:
    raise AssertionError("nothing is asked")


@pytest.mark.parametrize("ours", REPLACED, ids=lambda ours: ours.__name__)
def test_every_replaced_method_is_still_there_and_takes_the_same(ours: type[Any]) -> None:
    (theirs,) = ours.__bases__
    found = {
        name: tuple(inspect.signature(getattr(theirs, name)).parameters)
        for name in vars(ours)
        if inspect.isfunction(vars(ours)[name]) and name in vars(theirs)
    }
    assert found == REPLACED[ours]


@pytest.mark.parametrize(("caller", "name"), CALLS, ids=lambda one: getattr(one, "__qualname__", one))
def test_uvicorn_still_calls_what_is_ours(caller: Callable[..., Any], name: str) -> None:
    assert name in names_in(inspect.unwrap(caller).__code__)


@pytest.mark.asyncio
async def test_the_state_that_ours_read_is_still_there() -> None:
    http, socket = made(H11Protocol), made(WebSocketsSansIOProtocol)
    assert [name for name in HTTP_STATE if not hasattr(http, name)] == []
    assert [name for name in SOCKET_STATE if not hasattr(socket, name)] == []
    assert [name for name in SERVER_STATE if not hasattr(Server(http.config), name)] == []
    assert set(CYCLE_STATE) <= names_in(RequestResponseCycle.__init__.__code__)
    assert isinstance(http.conn, h11.Connection)
    assert http.connections is http.server_state.connections, (
        "a handshake enters itself there, to be ended with the server"
    )
    assert (http.cycle, http.transport, http.timeout_keep_alive_task) == (None, None, None)
    assert (socket.frames, socket.close_sent) == ([], False)


@pytest.mark.asyncio
async def test_a_server_that_stops_ends_whatever_connections_it_knows() -> None:
    """A handshake is no connection of uvicorn's, and is ended by its `shutdown` all the same."""
    ended: list[str] = []

    class Handshaking:
        def shutdown(self) -> None:
            ended.append("shutdown")
            server.server_state.connections.clear()

    server = Server(uvicorn.Config(_app, log_config=None, lifespan="off"))
    server.config.load()
    server.lifespan = server.config.lifespan_class(server.config)
    await server.startup(sockets=[])
    server.server_state.connections.add(Handshaking())  # type: ignore[arg-type]
    await server.shutdown(sockets=[])
    assert ended == ["shutdown"]
