"""One port's gRPC services, with health and reflection.

    made --add--> its services --start--> listening, but not ready --set_ready--> serving --stop--> closed

A server takes pings twice as often as clients send them (shared/transport/grpc_channels.py). Messages have a largest size.
gRPC refuses some things below Python: a connection too many, one that stays silent, a message too large. It counts them
nowhere, so that they show in the client's status alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import grpc
from grpc_reflection.v1alpha import reflection
from typing_extensions import override

from shared.errors import AddressInUse
from shared.server import health
from shared.server.tls.certificates import ServerTls
from shared.transport.grpc_channels import KEEPALIVE_SECONDS, connection_options

HANDSHAKE_SECONDS = 10.0
"""The time until a connection must have said that it speaks HTTP/2."""
ARRIVAL_SECONDS = 30.0
"""The time in which the message of a call with one request must have come."""
IDLE_CONNECTION_SECONDS = 300.0
"""The time after which a connection without a call is closed; its client connects anew by itself."""
MOST_CONNECTIONS = 4000

Handler: TypeAlias = "grpc.RpcMethodHandler[Any, Any] | None"


@dataclass(frozen=True)
class MessageSizes:
    """The largest messages of a port, in bytes.

    What is received is bounded tightly, because every connection may send it at the same time.
    """

    received: int
    sent: int


class RpcServer:
    """The gRPC services of one port, with grpc.health.v1 and reflection. tls: None for plain text."""

    def __init__(
        self,
        address: str,
        largest: MessageSizes,
        concurrent_calls: int | None = None,
        tls: ServerTls | None = None,
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
        most_connections: int = MOST_CONNECTIONS,
    ) -> None:
        options = [
            *connection_options(largest.received, largest.sent),
            # The name is the string's, not the C constant's (..._MIN_RECV_PING_...). gRPC ignores an unknown option in
            # silence. Its own five minutes would then hold, and every idle client would be cut off for pinging.
            ("grpc.http2.min_ping_interval_without_data_ms", round(KEEPALIVE_SECONDS * 500)),
            ("grpc.http2.max_ping_strikes", 3),
            ("grpc.so_reuseport", 0),
            # Without this, gRPC would wait two minutes for somebody who connects and says nothing, and bound their
            # number nowhere.
            ("grpc.server_handshake_timeout_ms", round(HANDSHAKE_SECONDS * 1000)),
            ("grpc.max_allowed_incoming_connections", most_connections),
            ("grpc.max_connection_idle_ms", round(IDLE_CONNECTION_SECONDS * 1000)),
        ]
        self._server = grpc.aio.server(
            options=options,
            maximum_concurrent_rpcs=concurrent_calls,
            interceptors=(*interceptors, _ArrivalDeadline(ARRIVAL_SECONDS)),
        )
        self._tls = tls
        self._address = address
        self._health = health.HealthService()
        self._names: list[str] = []
        self.port = 0
        self._has_started = False
        self._health.add_to(self._server)

    def add(self, add_to_server: Callable[[Any, grpc.aio.Server], None], servicer: object, name: str) -> None:
        """Add one service. name: its full name, for health and reflection."""
        add_to_server(servicer, self._server)
        self._names.append(name)

    async def start(self) -> None:
        """Listen: the port is alive, but not ready until `set_ready`. Raises AddressInUse."""
        names = [*self._names, health.NAME, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, self._server)
        self._health.set("", health.SERVING)
        self.set_ready(False)
        self._has_started = True
        try:
            if self._tls is None:
                self.port = self._server.add_insecure_port(self._address)
            else:
                self.port = self._server.add_secure_port(self._address, self._tls.rpc_credentials())
        except RuntimeError as error:
            # At the interpreter's end gRPC complains of a server that was neither started nor stopped.
            await self._server.start()
            await self._server.stop(None)
            raise AddressInUse(
                f"cannot listen for gRPC on {self._address}: is another service there, or the host none of this machine's? "
                "Name another address with --rpc"
            ) from error
        await self._server.start()

    def set_ready(self, ready: bool) -> None:
        """Set what grpc.health.v1 says of the services."""
        for name in self._names:
            self._health.set(name, health.SERVING if ready else health.NOT_SERVING)

    async def stop(self, grace_seconds: float) -> None:
        """Take no new call and end the running ones, after `grace_seconds` by force."""
        if not self._has_started:
            # As above: it has no port yet, so nobody can call it.
            self._has_started = True
            await self._server.start()
        self._health.close()
        await self._server.stop(grace_seconds)


class _ArrivalDeadline(grpc.aio.ServerInterceptor):
    """Ends calls whose one message does not come in time. gRPC would hold what has come of it for ever."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    @override
    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[Handler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> Handler:
        handler = await continuation(handler_call_details)
        if handler is None or handler.request_streaming or handler.response_streaming:
            return handler
        answer: Any = handler.unary_unary

        async def read_and_answer(_: Any, context: grpc.aio.ServicerContext[Any, Any]) -> Any:
            try:
                async with asyncio.timeout(self._seconds):
                    request = await context.read()
            except TimeoutError:
                late = f"the message did not come within {self._seconds:g} s; call again"
                await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, late)
            if request is grpc.aio.EOF:
                await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "the call has no message; send one")
            return await answer(request, context)

        return grpc.stream_unary_rpc_method_handler(
            read_and_answer, handler.request_deserializer, handler.response_serializer
        )
