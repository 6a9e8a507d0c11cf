"""One port's gRPC services, with health and reflection.

    made --add--> its services --start--> listening, but not ready --set_ready--> serving --stop--> closed

A server takes pings twice as often as clients send them (shared/transport/grpc_channels.py). Messages have a largest size.
gRPC refuses some things below Python: a connection too many, one that stays silent, a message too large. It counts them
nowhere, so that they show in the client's status alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import grpc
from grpc_reflection.v1alpha import reflection

from shared.errors import AddressInUse
from shared.server import health
from shared.server.tls.certificates import ServerTls
from shared.transport.grpc_channels import KEEPALIVE_SECONDS, connection_options

HANDSHAKE_SECONDS = 10.0
"""The time until a connection must have said that it speaks HTTP/2."""
IDLE_CONNECTION_SECONDS = 300.0
"""The time after which a connection without a call is closed; its client connects anew by itself."""
MOST_CONNECTIONS = 4000


class RpcServer:
    """The gRPC services of one port, with grpc.health.v1 and reflection. tls: None for plain text."""

    def __init__(
        self,
        address: str,
        largest_message_bytes: int,
        concurrent_calls: int | None = None,
        tls: ServerTls | None = None,
        interceptors: Sequence[grpc.aio.ServerInterceptor] = (),
        most_connections: int = MOST_CONNECTIONS,
    ) -> None:
        options = [
            *connection_options(largest_message_bytes),
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
            options=options, maximum_concurrent_rpcs=concurrent_calls, interceptors=tuple(interceptors)
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
