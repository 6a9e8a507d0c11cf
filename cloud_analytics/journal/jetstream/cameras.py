"""Which edge gives which camera, at which replica, and how far each camera has come: all replicas know it.

    own edges' cameras, own frames --entries that differ, written now and then--> bucket --> every replica's book

The stream has the last sequence of a camera as long as it has one of its frames. The book remembers the sequence when
all of them have aged out.
Law: an entry's sequence never falls, whoever writes last.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from nats.js.kv import KeyValue
from typing_extensions import override

from cloud_analytics.journal.frame_log import KnownCamera
from cloud_analytics.journal.jetstream.link import NatsTrouble, is_conflict
from cloud_analytics.journal.jetstream.members import Members
from cloud_analytics.journal.jetstream.messages import SharedCamera, SharedFrame, camera_bytes, camera_of
from cloud_analytics.journal.jetstream.names import as_key, name_in
from cloud_analytics.journal.jetstream.reader import Message
from cloud_analytics.journal.jetstream.tail import Tail
from cloud_analytics.journal.storage import QUIET_SECONDS, Replicas
from shared.server.supervisor import Supervisor
from shared.telemetry.logs import Throttle, logger

LOOK_SECONDS = 0.5
SEQUENCES_SECONDS = 10.0
"""How often the sequences that have risen are written."""
WRITES_AT_ONCE = 64

log = logger("cloud.bus")


class CameraBook(Replicas):
    """The cameras of all replicas.

    bucket: the bucket of cameras.
    tail: the changes of that bucket.
    clock: returns a monotonic time in seconds.
    """

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
        # The edge of the last frame that came by another replica, and when it came, by camera.
        self._elsewhere: dict[str, tuple[str, float]] = {}
        self._sequences_at = clock()
        self._throttle = Throttle(10.0)

    @property
    def known(self) -> Mapping[str, KnownCamera]:
        """The cameras that ever sent a frame, by name."""
        return self._known

    @property
    @override
    def senders(self) -> Mapping[str, str]:
        return {name: entry.edge_id for name, entry in self._entries.items() if self._is_elsewhere(entry)}

    @override
    def connected(self, edge_id: str) -> bool:
        if self._edges is None:
            self._edges = frozenset(self.senders.values())
        return edge_id in self._edges

    @override
    def sending(self, camera_id: str) -> str | None:
        edge_id, at = self._elsewhere.get(camera_id, ("", float("-inf")))
        return edge_id if self._clock() - at < QUIET_SECONDS else None

    def last(self, camera_id: str) -> SharedCamera | None:
        """Return what the bucket remembers of a camera; None where it never sent a frame."""
        entry = self._entries.get(camera_id)
        return entry if entry is not None and entry.last_sequence else None

    async def open(self) -> None:
        """Read what there is. Raises Gone, or one of `NatsTrouble`."""
        for message in await self._tail.present():
            self._take(message)

    def start(self, own_senders: Callable[[], Mapping[str, str]], supervisor: Supervisor) -> None:
        """Begin to share. own_senders: returns the edge of each camera that this replica's edges give."""
        supervisor.start(self._read_loop(), "cameras: read")
        supervisor.start(self._write_loop(own_senders), "cameras: write")
        self._members.listen(self._forget_edges)

    def note(self, shared: SharedFrame, *, is_new: bool = True) -> None:
        """Take a frame of the stream. is_new: False for one that was there when this replica started."""
        packet, name = shared.frame.packet, shared.frame.camera_id
        known = self._known.get(name)
        if known is not None and packet.sequence <= known.last_sequence:
            return
        received_us = shared.frame.received_time_us
        self._known[name] = KnownCamera(name, shared.edge_id, packet.sequence, packet.capture_time_us, received_us)
        self._before_edge[name] = shared.sequence_before_edge
        if shared.replica_id == self._members.replica_id:
            self._elsewhere.pop(name, None)
        elif is_new:
            self._elsewhere[name] = (shared.edge_id, self._clock())

    async def close(self) -> None:
        """Write what is not written yet, as far as NATS takes it."""
        await self._write(self._due({}, sequences=True))
        await self._tail.close()

    def _forget_edges(self) -> None:
        """Let `connected` count anew: a replica has come or gone."""
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
        """Return the entries to write.

        They are of cameras that came or went here. sequences: those of cameras that have come on too.
        """
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
            # The replica that gave them has died before it wrote them.
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
                # What differs still is found by the next look.
                if self._throttle.due():
                    log.warning("cameras not shared", reason=repr(error), times=self._throttle.times)
                return

    async def _write_one(self, name: str, entry: SharedCamera) -> None:
        try:
            position = await self._bucket.update(as_key(name), camera_bytes(entry), self._positions.get(name))
        except NatsTrouble as error:
            if not is_conflict(error):
                raise
            # Another replica was faster, and its entry is about to come.
            return
        if position > self._positions.get(name, 0):
            self._entries[name], self._positions[name] = entry, position
