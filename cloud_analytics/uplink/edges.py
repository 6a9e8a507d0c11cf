"""The edges that are connected now, and which camera is whose.

    join(edge) --> Uplink --announce(cameras)--> offered to subscribers
                          --claim(cameras of frames)--> CameraTaken, or they are its own until it leaves

Law: a camera has one sender at a time; an edge that comes again takes the place of its own dead connection,
which may not have been noticed yet. A camera that moves to another edge is taken over once the first one has been quiet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from cloud_analytics.journal.replicas import QUIET_SECONDS, Replicas, SingleReplica
from cloud_analytics.metrics.service import CloudMetrics
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


@dataclass
class _Camera:
    """Whose it is. sent_at: when its last frames came, None where it was announced alone. next: an edge that has it too."""

    uplink: Uplink
    sent_at: float | None = None
    next: Uplink | None = None


class Uplinks:
    """most: connections at once. clock: seconds, monotonic."""

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
        self._of_edges: dict[str, Uplink] = {}
        self._connected: dict[Uplink, None] = {}
        self._cameras: dict[str, _Camera] = {}
        self._stopping: TaxonError | None = None
        self._empty = asyncio.Event()
        self._empty.set()
        metrics.uplink_cameras.set_function(lambda: len(self._cameras))

    def connected(self, edge_id: str) -> bool:
        """Whether this edge is, here or elsewhere."""
        return edge_id in self._of_edges or self._replicas.connected(edge_id)

    def join(self, edge_id: str) -> Uplink:
        """A new connection; an older one of the same edge is ended. Raises Busy, or the reason of `stop`."""
        if self._stopping is not None:
            # It was let in before the stop, and has said its Hello only now.
            raise self._stopping
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
        self._metrics.uplinks_joined.inc()
        return uplink

    @property
    def senders(self) -> Mapping[str, str]:
        """The edge of each camera that a connected edge has announced or sent frames of, here or elsewhere."""
        return {**self._replicas.senders, **self.own_senders}

    @property
    def own_senders(self) -> Mapping[str, str]:
        """Those that are connected here."""
        return {name: camera.uplink.edge_id for name, camera in self._cameras.items()}

    def announce(self, uplink: Uplink, cameras: Iterable[str]) -> None:
        """These can be had of this connection; one that another edge gives stays that one's. Raises Superseded or Busy."""
        for name in self._of_living(uplink, cameras):
            camera = self._camera(name, uplink)
            if camera.uplink.edge_id == uplink.edge_id:
                camera.uplink = uplink
            else:
                camera.next = uplink

    def claim(self, uplink: Uplink, cameras: Iterable[str]) -> None:
        """These cameras' frames are this connection's; raises CameraTaken, Superseded for one whose place was taken, or Busy."""
        now = self._clock()
        for name in self._of_living(uplink, cameras):
            other = self._replicas.sending(name)
            if other is not None and other != uplink.edge_id:
                raise CameraTaken(name, other)
            camera = self._camera(name, uplink)
            if camera.uplink.edge_id != uplink.edge_id:
                if camera.sent_at is not None and now - camera.sent_at < QUIET_SECONDS:
                    raise CameraTaken(name, camera.uplink.edge_id)
                log.warning("camera moved", camera=name, edge=uplink.edge_id, before=camera.uplink.edge_id)
                camera.next = camera.uplink
            camera.uplink, camera.sent_at = uplink, now

    def leave(self, uplink: Uplink) -> None:
        """It has ended."""
        self._connected.pop(uplink, None)
        if self._of_edges.get(uplink.edge_id) is uplink:
            del self._of_edges[uplink.edge_id]
        for name, camera in tuple(self._cameras.items()):
            camera.next = None if camera.next is uplink else camera.next
            if camera.uplink is not uplink:
                continue
            if camera.next is None:
                del self._cameras[name]
            else:
                self._cameras[name] = _Camera(camera.next)
        self._metrics.uplinks.set(len(self._of_edges))
        if not self._connected:
            self._empty.set()

    async def stop(self, reason: TaxonError) -> None:
        """Asks all to end, and waits until they have; takes no new ones."""
        self._stopping = reason
        self.end_all(reason)
        await self._empty.wait()

    def end_all(self, reason: TaxonError) -> None:
        """Asks all to end; they may come back."""
        for uplink in tuple(self._connected):
            uplink.stop(reason)

    def _of_living(self, uplink: Uplink, cameras: Iterable[str]) -> Iterable[str]:
        if self._of_edges.get(uplink.edge_id) is not uplink:
            raise Superseded(uplink.edge_id)
        return cameras

    def _camera(self, name: str, uplink: Uplink) -> _Camera:
        camera = self._cameras.get(name)
        if camera is None:
            if len(self._cameras) >= MOST_CAMERAS:
                raise Busy(f"{MOST_CAMERAS} cameras are connected; no more are taken")
            camera = self._cameras[name] = _Camera(uplink)
        return camera
