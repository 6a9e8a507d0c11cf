"""The edges that are connected now, and which camera is whose.

    join(edge) --> Uplink --claim(cameras)--> CameraTaken, or they are its own until it leaves

Law: a camera has one sender at a time; an edge that comes again takes the place of its own dead connection,
which may not have been noticed yet.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from cloud_analytics.metrics import CloudMetrics
from shared.errors import Busy, CameraTaken, Superseded, TaxonError
from shared.telemetry.logs import logger

MOST_CAMERAS = 100_000
"""Of all edges; bounds what announcements make the cloud remember."""

log = logger("cloud.uplink")


@dataclass(eq=False)
class Uplink:
    """One edge's connection. stopping: done with the reason when it is to end, after acknowledging what it has taken."""

    edge_id: str
    stopping: asyncio.Future[TaxonError] = field(repr=False)

    def stop(self, reason: TaxonError) -> None:
        """Asks it to end."""
        if not self.stopping.done():
            self.stopping.set_result(reason)


class Uplinks:
    """most: connections at once."""

    def __init__(self, most: int, metrics: CloudMetrics) -> None:
        self._most = most
        self._metrics = metrics
        self._of_edges: dict[str, Uplink] = {}
        self._connected: dict[Uplink, None] = {}
        self._senders: dict[str, Uplink] = {}
        self._empty = asyncio.Event()
        self._empty.set()

    def connected(self, edge_id: str) -> bool:
        """Whether this edge is."""
        return edge_id in self._of_edges

    def join(self, edge_id: str) -> Uplink:
        """A new connection; an older one of the same edge is ended. Raises Busy."""
        older = self._of_edges.get(edge_id)
        if older is not None:
            log.warning("edge came again", edge=edge_id)
            older.stop(Superseded(edge_id))
        elif len(self._connected) >= self._most:
            raise Busy(f"{self._most} edges are connected; no more are taken")
        uplink = Uplink(edge_id, asyncio.get_running_loop().create_future())
        self._of_edges[edge_id] = uplink
        self._connected[uplink] = None
        self._empty.clear()
        self._metrics.uplinks.set(len(self._of_edges))
        return uplink

    @property
    def senders(self) -> Mapping[str, str]:
        """The edge of each camera that a connected edge has announced or sent frames of."""
        return {camera: uplink.edge_id for camera, uplink in self._senders.items()}

    def claim(self, uplink: Uplink, cameras: Iterable[str]) -> None:
        """These cameras are this connection's; raises CameraTaken, Superseded for one whose place was taken, or Busy."""
        if self._of_edges.get(uplink.edge_id) is not uplink:
            raise Superseded(uplink.edge_id)
        for camera in cameras:
            sender = self._senders.get(camera)
            if sender is not None and sender.edge_id != uplink.edge_id:
                raise CameraTaken(camera, sender.edge_id)
            if sender is None and len(self._senders) >= MOST_CAMERAS:
                raise Busy(f"{MOST_CAMERAS} cameras are connected; no more are taken")
            self._senders[camera] = uplink

    def leave(self, uplink: Uplink) -> None:
        """It has ended."""
        self._connected.pop(uplink, None)
        if self._of_edges.get(uplink.edge_id) is uplink:
            del self._of_edges[uplink.edge_id]
        self._senders = {camera: one for camera, one in self._senders.items() if one is not uplink}
        self._metrics.uplinks.set(len(self._of_edges))
        if not self._connected:
            self._empty.set()

    async def stop(self, reason: TaxonError) -> None:
        """Asks all to end, and waits until they have."""
        for uplink in tuple(self._connected):
            uplink.stop(reason)
        await self._empty.wait()
