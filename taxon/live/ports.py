"""The ports of the demo's services, and the waits until these are ready.

free ports --> flags of `taxon cloud` and `taxon edge`
GET /readyz --> ready        GET /metrics --> the edge is linked to its cloud
"""

from __future__ import annotations

import asyncio
import http.client
import socket
from dataclasses import dataclass

HOST = "127.0.0.1"
WALL_PORT = 8090
ASK_SECONDS = 2.0
BETWEEN_SECONDS = 0.2
LINKED = "taxon_edge_uplink_connected 1.0"


@dataclass(frozen=True)
class Ports:
    """Ports on this machine: gRPC of both services, the cloud's wall, and the edge's HTTP."""

    cloud_rpc: int
    wall: int
    edge_rpc: int
    edge_http: int

    @property
    def cloud(self) -> str:
        """The address of the cloud's gRPC."""
        return f"{HOST}:{self.cloud_rpc}"

    @property
    def edge(self) -> str:
        """The address of the edge's gRPC."""
        return f"{HOST}:{self.edge_rpc}"


def free_ports() -> Ports:
    """Return ports that are free now, for the wall its usual one if possible."""
    with socket.socket() as first, socket.socket() as second, socket.socket() as third, socket.socket() as fourth:
        wall = _bound(fourth, WALL_PORT) or _bound(fourth, 0)
        return Ports(_bound(first, 0), wall, _bound(second, 0), _bound(third, 0))


def _bound(taken: socket.socket, port: int) -> int:
    """Bind this port, or any for 0, and return it; return 0 if it is taken."""
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((HOST, port))
    except OSError:
        return 0
    return int(taken.getsockname()[1])


async def until_ready(http_port: int) -> None:
    """Wait until the service there says that it is ready."""
    while (await asyncio.to_thread(_get, http_port, "/readyz"))[0] != 200:
        await asyncio.sleep(BETWEEN_SECONDS)


async def until_linked(edge_http_port: int) -> None:
    """Wait until the edge there is connected to its cloud."""
    while LINKED not in (await asyncio.to_thread(_get, edge_http_port, "/metrics"))[1]:
        await asyncio.sleep(BETWEEN_SECONDS)


def _get(port: int, path: str) -> tuple[int, str]:
    """Return the status and the body; the status is 0 if nobody answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()
