"""Who gives which camera, at which replica, and how far each camera has come: known to all replicas.

    own edges' cameras, own frames --entries that differ, written now and then--> bucket --> every replica's book

The last sequence of a camera is in the stream as long as one of its frames is; the book remembers it when they have all aged out.
Law: an entry's sequence never falls, whoever writes last.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from nats.js.kv import KeyValue

from cloud_analytics.journal.frame_log import KnownCamera
from cloud_analytics.journal.jetstream.link import NatsTrouble, is_conflict
from cloud_analytics.journal.jetstream.members import Members
from cloud_analytics.journal.jetstream.messages import Journalled, SharedCamera, camera_bytes, camera_of
from cloud_analytics.journal.jetstream.names import as_key, name_in
from cloud_analytics.journal.jetstream.reader import Message
from cloud_analytics.journal.jetstream.tail import Tail
from cloud_analytics.journal.replicas import QUIET_SECONDS
from shared.server.cancellation import ended
from shared.telemetry.logs import Throttle, logger

LOOK_SECONDS = 0.5
SEQUENCES_SECONDS = 10.0
"""How often sequences are written that have risen."""
WRITES_AT_ONCE = 64

log = logger("cloud.bus")


class CameraBook:
    """See `Replicas`. clock: seconds, monotonic."""

    def __init__(
        self, bucket: KeyValue, tail: Tail, members: Members, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._bucket = bucket
        self._tail = tail
        self._members = members
        self._clock = clock
        self._entries: dict[str, SharedCamera] = {}
        self._positions: dict[str, int] = {}
        self._edges: frozenset[str] | None = None
        self._known: dict[str, KnownCamera] = {}
        self._before_edge: dict[str, int] = {}
        self._came: dict[str, tuple[str, float]] = {}
        self._sequences_at = clock()
        self._tasks: list[asyncio.Task[None]] = []
        self._throttle = Throttle(10.0)

    @property
    def known(self) -> Mapping[str, KnownCamera]:
        """Those that ever sent a frame, by name."""
        return self._known

    @property
    def senders(self) -> Mapping[str, str]:
        """See `Replicas`."""
        return {name: entry.edge_id for name, entry in self._entries.items() if self._is_elsewhere(entry)}

    def connected(self, edge_id: str) -> bool:
        """See `Replicas`."""
        if self._edges is None:
            self._edges = frozenset(self.senders.values())
        return edge_id in self._edges

    def sending(self, camera_id: str) -> str | None:
        """See `Replicas`."""
        edge_id, at = self._came.get(camera_id, ("", float("-inf")))
        return edge_id if self._clock() - at < QUIET_SECONDS else None

    def last(self, camera_id: str) -> SharedCamera | None:
        """What the bucket remembers of a camera; None where it never sent a frame."""
        entry = self._entries.get(camera_id)
        return entry if entry is not None and entry.last_sequence else None

    async def open(self) -> None:
        """Reads what there is; raises Gone or `NatsTrouble`."""
        for message in await self._tail.present():
            self._take(message)

    def start(self, own_senders: Callable[[], Mapping[str, str]]) -> None:
        """own_senders: the edge of each camera that this replica's edges give."""
        works = (self._read_loop(), self._write_loop(own_senders))
        self._tasks = [asyncio.create_task(work, name="cameras") for work in works]
        self._members.listen(self._look_again)

    async def failed(self) -> BaseException:
        """Waits until a loop has ended, which it must not, and says why."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(iter(done)).exception() or RuntimeError("the book of cameras ended")

    def came(self, journalled: Journalled, *, is_new: bool = True) -> None:
        """A frame came from the stream, or was there before (not `is_new`)."""
        packet, name = journalled.received.packet, journalled.received.packet.camera_id
        known = self._known.get(name)
        if known is not None and packet.sequence <= known.last_sequence:
            return
        received_us = journalled.received.received_time_us
        self._known[name] = KnownCamera(name, journalled.edge_id, packet.sequence, packet.capture_time_us, received_us)
        self._before_edge[name] = journalled.sequence_before_edge
        if journalled.replica_id == self._members.replica_id:
            self._came.pop(name, None)
        elif is_new:
            self._came[name] = (journalled.edge_id, self._clock())

    async def close(self) -> None:
        """Writes what is not written, as far as NATS takes it."""
        await ended(self._tasks)
        await self._write(self._due({}, sequences=True))
        await self._tail.close()

    def _look_again(self) -> None:
        self._edges = None

    def _is_elsewhere(self, entry: SharedCamera) -> bool:
        replica = entry.replica_id
        return bool(replica) and replica != self._members.replica_id and self._members.alive(replica)

    def _take(self, message: Message) -> None:
        name, entry = name_in(message.subject), camera_of(message)
        if message.is_delete or entry is None:
            return
        self._entries[name], self._positions[name] = entry, message.position
        self._members.named(entry.replica_id)
        self._edges = None
        known = self._known.get(name)
        if entry.last_sequence and (known is None or entry.last_sequence > known.last_sequence):
            self._known[name] = KnownCamera(
                name, entry.edge_id, entry.last_sequence, entry.last_capture_time_us, entry.last_received_time_us
            )
            self._before_edge[name] = entry.sequence_before_edge

    async def _read_loop(self) -> None:
        while True:
            for message in await self._tail.batch():
                self._take(message)

    async def _write_loop(self, own_senders: Callable[[], Mapping[str, str]]) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            sequences = self._clock() - self._sequences_at >= SEQUENCES_SECONDS
            if sequences:
                self._sequences_at = self._clock()
            await self._write(self._due(own_senders(), sequences))

    def _due(self, own: Mapping[str, str], sequences: bool) -> dict[str, SharedCamera]:
        """The entries to write: of cameras that came or went here, and where it is time, of those that have come on."""
        me, due = self._members.replica_id, {}
        for name, edge_id in own.items():
            entry = self._entries.get(name, SharedCamera())
            if (entry.edge_id, entry.replica_id) != (edge_id, me):
                due[name] = self._entry(name, edge_id, me)
        for name, entry in self._entries.items():
            if entry.replica_id == me and name not in own:
                due[name] = self._entry(name, entry.edge_id, "")
            elif sequences and not self._is_elsewhere(entry) and self._has_risen(name, entry):
                due[name] = self._entry(name, entry.edge_id, entry.replica_id)
        if sequences:
            # Whoever gave them has died before it wrote them.
            missing = self._known.keys() - self._entries.keys() - due.keys()
            due |= {name: self._entry(name, self._known[name].edge_id, "") for name in missing}
        return due

    def _has_risen(self, name: str, entry: SharedCamera) -> bool:
        return name in self._known and self._known[name].last_sequence > entry.last_sequence

    def _entry(self, name: str, edge_id: str, replica_id: str) -> SharedCamera:
        known = self._known.get(name)
        entry = SharedCamera(edge_id, replica_id)
        if known is None:
            return entry
        return replace(
            entry,
            last_sequence=known.last_sequence,
            last_capture_time_us=known.last_capture_time_us,
            last_received_time_us=known.last_received_time_us,
            sequence_before_edge=self._before_edge.get(name, 0),
        )

    async def _write(self, due: Mapping[str, SharedCamera]) -> None:
        names = list(due)
        for begin in range(0, len(names), WRITES_AT_ONCE):
            some = names[begin : begin + WRITES_AT_ONCE]
            try:
                await asyncio.gather(*(self._write_one(name, due[name]) for name in some))
            except NatsTrouble as error:
                # What differs is looked for again.
                if self._throttle.due():
                    log.warning("cameras not shared", reason=repr(error), times=self._throttle.times)
                return

    async def _write_one(self, name: str, entry: SharedCamera) -> None:
        try:
            position = await self._bucket.update(as_key(name), camera_bytes(entry), self._positions.get(name))
        except NatsTrouble as error:
            if not is_conflict(error):
                raise
            # Another replica was faster; its entry is about to come.
            return
        if position > self._positions.get(name, 0):
            self._entries[name], self._positions[name] = entry, position
