"""The edges that are connected now, and which camera belongs to which.

    join, of an edge --> EdgeConnection --announce: its cameras are offered to subscribers
                                        --claim: frames of its cameras are taken, or CameraTaken is raised

Laws: a camera has one sender at a time. An edge that comes again takes the place of its own dead connection, which may
not have been noticed yet. A camera that moves to another edge is taken over once the first edge has been quiet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from cloud_analytics.journal.storage import QUIET_SECONDS, Replicas, SingleReplica
from cloud_analytics.metrics.service import CloudMetrics
from shared.errors import BadRequest, Busy, CameraTaken, Superseded, TaxonError
from shared.server.access.places import SharedPlaces
from shared.telemetry.logs import logger

MOST_CAMERAS = 100_000
"""The most cameras of all edges: it bounds what announcements make the cloud remember."""
MOST_OF_EDGE = 10_000
"""The most cameras of one edge, which are as many as an edge can have."""

log = logger("cloud.uplink")


@dataclass(eq=False)
class EdgeConnection:
    """One edge's connection.

    holder: the name of its token, or its own where nobody asks for tokens; its cameras count in that share of all.
    stopping: is done with the reason when the connection is to end, after it has acknowledged what it has taken.
    named_cameras: how many cameras it was the first to name.
    """

    edge_id: str
    holder: str
    stopping: asyncio.Future[TaxonError] = field(repr=False)
    named_cameras: int = 0

    def stop(self, reason: TaxonError) -> None:
        """Ask the connection to end."""
        if not self.stopping.done():
            self.stopping.set_result(reason)


@dataclass
class _OwnedCamera:
    """A camera and the connection that it belongs to.

    sent_at: the monotonic time of its last frames, in seconds; None where it was only announced.
    next: the connection of another edge that has this camera too.
    """

    owner: EdgeConnection
    sent_at: float | None = None
    next: EdgeConnection | None = None


class Uplinks:
    """The edges' connections to one cloud process.

    most: the most connections at once.
    clock: returns a monotonic time in seconds.
    replicas: the other replicas of this cloud; None where there are none.
    """

    def __init__(
        self,
        most: int,
        metrics: CloudMetrics,
        clock: Callable[[], float] = time.monotonic,
        replicas: Replicas | None = None,
    ) -> None:
        self._most = most
        self._replicas = replicas or SingleReplica()
        self._metrics = metrics
        self._clock = clock
        self._of_edges: dict[str, EdgeConnection] = {}
        self._connected: dict[EdgeConnection, None] = {}
        self._cameras: dict[str, _OwnedCamera] = {}
        self._places: SharedPlaces[str] = SharedPlaces(MOST_CAMERAS, "cameras")
        self._stopping: TaxonError | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        metrics.uplink_cameras.set_function(lambda: len(self._cameras))

    def connected(self, edge_id: str) -> bool:
        """Return True where this edge is connected, here or to another replica."""
        return edge_id in self._of_edges or self._replicas.connected(edge_id)

    def join(self, edge_id: str, token_name: str = "") -> EdgeConnection:
        """Take a new connection and end an older one of the same edge. Raises Busy, or the reason of `stop`.

        token_name: of the caller's token; empty where nobody asks for tokens.
        """
        if self._stopping is not None:
            # It was let in before the stop, and has said its Hello only now.
            raise self._stopping
        older = self._of_edges.get(edge_id)
        if older is not None:
            log.warning("edge connected again; its older connection ends", edge=edge_id)
            older.stop(Superseded(edge_id))
        elif len(self._connected) >= self._most:
            raise Busy(f"{self._most} edges are connected; no more are taken")
        connection = EdgeConnection(edge_id, token_name or edge_id, asyncio.get_running_loop().create_future())
        self._of_edges[edge_id] = connection
        self._connected[connection] = None
        self._empty.clear()
        self._metrics.uplinks.set(len(self._of_edges))
        self._metrics.uplinks_joined.inc()
        return connection

    @property
    def senders(self) -> Mapping[str, str]:
        """The edge of each camera that a connected edge has announced or sent frames of, here or at another replica."""
        return {**self._replicas.senders, **self.own_senders}

    @property
    def own_senders(self) -> Mapping[str, str]:
        """The edge of each camera whose edge is connected here."""
        return {name: camera.owner.edge_id for name, camera in self._cameras.items()}

    def announce(self, connection: EdgeConnection, cameras: Iterable[str]) -> None:
        """Offer these cameras; one that another edge gives stays that edge's. Raises Superseded or Busy."""
        self._require_current(connection)
        for name in cameras:
            camera = self._camera(name, connection)
            if camera.owner.edge_id == connection.edge_id:
                camera.owner = connection
            else:
                camera.next = connection

    def claim(self, connection: EdgeConnection, cameras: Iterable[str]) -> None:
        """Take frames of these cameras from this connection. Raises CameraTaken, Superseded or Busy."""
        self._require_current(connection)
        now = self._clock()
        for name in cameras:
            other = self._replicas.sending(name)
            if other is not None and other != connection.edge_id:
                raise CameraTaken(name, other)
            camera = self._camera(name, connection)
            owner = camera.owner
            if owner.edge_id != connection.edge_id:
                if camera.sent_at is not None and now - camera.sent_at < QUIET_SECONDS:
                    raise CameraTaken(name, owner.edge_id)
                log.warning("camera moved", camera=name, edge=connection.edge_id, before=owner.edge_id)
                camera.next = owner
            camera.owner, camera.sent_at = connection, now

    def leave(self, connection: EdgeConnection) -> None:
        """Forget a connection that has ended; its cameras go to the next edge that has them."""
        self._connected.pop(connection, None)
        if self._of_edges.get(connection.edge_id) is connection:
            del self._of_edges[connection.edge_id]
        for name, camera in tuple(self._cameras.items()):
            camera.next = None if camera.next is connection else camera.next
            if camera.owner is not connection:
                continue
            if camera.next is None:
                del self._cameras[name]
                self._places.leave(name)
            else:
                self._cameras[name] = _OwnedCamera(camera.next)
        self._metrics.uplinks.set(len(self._of_edges))
        if not self._connected:
            self._empty.set()

    async def stop(self, reason: TaxonError) -> None:
        """Ask all connections to end, take no new ones, and return when all have ended."""
        self._stopping = reason
        self.end_all(reason)
        await self._empty.wait()

    def end_all(self, reason: TaxonError) -> None:
        """Ask all connections to end; their edges may come back."""
        for connection in tuple(self._connected):
            connection.stop(reason)

    def _require_current(self, connection: EdgeConnection) -> None:
        """Raise Superseded where the edge has come again, so that this connection's place was taken."""
        if self._of_edges.get(connection.edge_id) is not connection:
            raise Superseded(connection.edge_id)

    def _camera(self, name: str, connection: EdgeConnection) -> _OwnedCamera:
        camera = self._cameras.get(name)
        if camera is None:
            if connection.named_cameras >= MOST_OF_EDGE:
                raise BadRequest(f"an edge names at most {MOST_OF_EDGE} cameras; connect a second edge for more")
            lost = self._places.take(connection.holder, name)
            if lost is not None:
                del self._cameras[lost]
            connection.named_cameras += 1
            camera = self._cameras[name] = _OwnedCamera(connection)
        return camera
