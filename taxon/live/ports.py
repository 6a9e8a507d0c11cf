"""Where the demo's services listen, and whether they are ready.

free_places --> Ports --> flags of `taxon cloud` and `taxon edge`;   GET /readyz, /metrics --> ready, linked
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
    """Ports on this machine."""

    cloud_rpc: int
    wall: int
    edge_rpc: int
    edge_http: int

    @property
    def cloud(self) -> str:
        """The cloud's gRPC."""
        return f"{HOST}:{self.cloud_rpc}"

    @property
    def edge(self) -> str:
        """The edge's gRPC."""
        return f"{HOST}:{self.edge_rpc}"


def free_places() -> Ports:
    """Ports that are free now; the wall's usual one where it is."""
    with socket.socket() as first, socket.socket() as second, socket.socket() as third, socket.socket() as fourth:
        wall = _bound(fourth, WALL_PORT) or _bound(fourth, 0)
        return Ports(_bound(first, 0), wall, _bound(second, 0), _bound(third, 0))


def _bound(taken: socket.socket, port: int) -> int:
    """The port that was bound; 0 where it is another's."""
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((HOST, port))
    except OSError:
        return 0
    return int(taken.getsockname()[1])


async def until_ready(http_port: int) -> None:
    """Waits until the service there says that it is ready."""
    while (await asyncio.to_thread(_get, http_port, "/readyz"))[0] != 200:
        await asyncio.sleep(BETWEEN_SECONDS)


async def until_linked(edge_http_port: int) -> None:
    """Waits until the edge there has its cloud."""
    while LINKED not in (await asyncio.to_thread(_get, edge_http_port, "/metrics"))[1]:
        await asyncio.sleep(BETWEEN_SECONDS)


def _get(port: int, path: str) -> tuple[int, str]:
    """Status and body; status 0 where nobody answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()
