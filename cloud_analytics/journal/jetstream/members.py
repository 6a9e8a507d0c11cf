"""Which replicas live, and how far each has come.

    a beat each second, and whenever this replica has come on --subject--> every replica, this one included

Nobody compares clocks: a replica is dead when this one has heard `LEASE_BEATS` of its own beats, and none of the
other's between them. So nobody dies while NATS is away.
Law: a replica that was once heard, or named in an entry, is alive until then.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from cloud_analytics.journal.jetstream.link import Link, NatsTrouble
from cloud_analytics.journal.jetstream.messages import Beat, beat_bytes, beat_of
from cloud_analytics.metrics.service import CloudMetrics
from shared.server.supervisor import Supervisor
from shared.telemetry.logs import logger

BEAT_SECONDS = 1.0
LEASE_BEATS = 4
LOOK_SECONDS = 0.05
MOST_BEATS = 1000
"""The most beats that wait to be heard."""
STUCK_SECONDS = 10.0
"""A replica that has not come on for so long is not waited for."""

log = logger("cloud.bus")


@dataclass
class _Member:
    """Another replica.

    moved_at: the monotonic time when its position rose last, in seconds.
    missed: the number of this replica's beats since the other's last one.
    """

    position: int
    moved_at: float
    missed: int = 0


class Members:
    """The living replicas of one cloud, as one of them hears them.

    window_frames: another replica may be so far behind before `kept_up` waits for it.
    clock: returns a monotonic time in seconds.
    """

    def __init__(
        self,
        link: Link,
        subject: str,
        replica_id: str,
        window_frames: int,
        metrics: CloudMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._link = link
        self._subject = subject
        self._replica_id = replica_id
        self._window_frames = window_frames
        self._metrics = metrics
        self._clock = clock
        self._others: dict[str, _Member] = {}
        self._listeners: set[Callable[[], None]] = set()
        self._heard = asyncio.Event()
        self._generation = 0
        self._counted_at = float("-inf")

    @property
    def replica_id(self) -> str:
        """The id of this replica."""
        return self._replica_id

    def start(self, position: Callable[[], int], supervisor: Supervisor) -> None:
        """Begin to beat. position: returns the last position that this replica's subscribers have."""
        supervisor.start(self._beat_loop(position), "replicas: beat")
        supervisor.start(self._hear_loop(), "replicas: hear")

    def listen(self, listener: Callable[[], None]) -> None:
        """Call the listener whenever a replica has come, died or left."""
        self._listeners.add(listener)

    def alive(self, replica_id: str) -> bool:
        """Return True where a replica lives."""
        return replica_id == self._replica_id or replica_id in self._others

    def named(self, replica_id: str) -> None:
        """Count a replica that stands in an entry as alive for now, until it has been silent for its time."""
        if replica_id and not self.alive(replica_id):
            self._others[replica_id] = _Member(0, self._clock() - STUCK_SECONDS)
            self._count()

    async def kept_up(self, head: int) -> None:
        """Wait while a replica that comes on is more than the window behind `head`, for `STUCK_SECONDS` at most."""
        least = head - self._window_frames
        if self._slowest() >= least:
            return
        self._metrics.bus_waits.inc()
        try:
            async with asyncio.timeout(STUCK_SECONDS):
                while self._slowest() < least:
                    self._heard.clear()
                    await self._heard.wait()
        except TimeoutError:
            log.warning("a replica is behind", frames=head - self._slowest())

    async def close(self) -> None:
        """Tell the others that this replica leaves."""
        try:
            await self._link.publish(self._subject, beat_bytes(Beat(self._replica_id, 0, leaving=True)))
        except NatsTrouble:
            log.warning("the other replicas were not told that this one leaves")

    def hear(self, beat: Beat) -> None:
        """Take a beat that has come."""
        if beat.replica_id == self._replica_id:
            self._hear_own()
        elif beat.leaving:
            self._remove([beat.replica_id], "left")
        else:
            self._hear_other(beat)
        self._heard.set()

    def _hear_own(self) -> None:
        now = self._clock()
        if self._link.generation != self._generation:
            # Replicas find their way back to NATS one after the other, so each has its lease once more.
            self._generation = self._link.generation
            for other in self._others.values():
                other.missed = -LEASE_BEATS
        # Beats that come all at once count as one.
        if now - self._counted_at < BEAT_SECONDS * 0.9:
            return
        self._counted_at = now
        silent = [name for name, other in self._others.items() if other.missed >= LEASE_BEATS]
        for other in self._others.values():
            other.missed += 1
        self._remove(silent, "silent")

    def _hear_other(self, beat: Beat) -> None:
        known = self._others.get(beat.replica_id)
        if known is None:
            log.info("another replica was found", replica=beat.replica_id)
            self._others[beat.replica_id] = _Member(beat.position, self._clock())
            self._changed()
            return
        if beat.position > known.position:
            known.position, known.moved_at = beat.position, self._clock()
        known.missed = 0

    def _remove(self, names: list[str], why: str) -> None:
        gone = [name for name in names if self._others.pop(name, None) is not None]
        if not gone:
            return
        log.warning("a replica is gone", replicas=gone, why=why)
        self._changed()

    def _slowest(self) -> float:
        """Return the last position of the slowest other replica that still comes on; infinity where there is none."""
        oldest = self._clock() - STUCK_SECONDS
        return min((one.position for one in self._others.values() if one.moved_at > oldest), default=float("inf"))

    def _changed(self) -> None:
        self._count()
        for listener in tuple(self._listeners):
            listener()

    def _count(self) -> None:
        self._metrics.replicas.set(1 + len(self._others))

    async def _beat_loop(self, position: Callable[[], int]) -> None:
        self._count()
        told, told_at = -1, float("-inf")
        while True:
            now, at = self._clock(), position()
            # What others wait for is told sooner than the next beat; what nobody waits for is not.
            is_due = now - told_at >= BEAT_SECONDS or at - told >= self._window_frames / 4
            # Beats that wait for a connection would all come at once, and be counted.
            if is_due and self._link.is_up:
                try:
                    await self._link.publish(self._subject, beat_bytes(Beat(self._replica_id, at, leaving=False)))
                except NatsTrouble as error:
                    log.debug("beat not sent", reason=repr(error))
                told, told_at = at, now
            await asyncio.sleep(LOOK_SECONDS)

    async def _hear_loop(self) -> None:
        inbox = await self._link.inbox(MOST_BEATS, self._subject)
        while True:
            try:
                beat = beat_of((await inbox.next(BEAT_SECONDS * LEASE_BEATS)).data)
            except NatsTrouble:
                await asyncio.sleep(LOOK_SECONDS)
                continue
            if beat is not None:
                self.hear(beat)
