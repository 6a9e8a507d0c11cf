"""Wishes that all replicas know: one bucket holds what the subscribers of each want.

    own wishes --write--> bucket --read--> wishes of other replicas --put_others--> what this replica's edges are told

Laws: a wish belongs to the replica that wrote it last, and only that one writes or deletes it while it lives. When the
replica has died, its wish counts for as long as it asked to be held, on every replica by its own clock; the first
replica whose time is over deletes it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from nats.js.kv import KeyValue
from typing_extensions import override

from cloud_analytics.journal.jetstream.link import Link, NatsTrouble, is_conflict
from cloud_analytics.journal.jetstream.members import Members
from cloud_analytics.journal.jetstream.messages import SharedWish, wish_bytes, wish_of
from cloud_analytics.journal.jetstream.names import as_key, name_in
from cloud_analytics.journal.jetstream.reader import Message
from cloud_analytics.journal.jetstream.tail import Tail
from cloud_analytics.journal.storage import Neighbours, StoredWish, WishStore
from shared.contract.wishes import SubscriberWish
from shared.errors import WishesNotKept
from shared.server.supervisor import Supervisor
from shared.telemetry.logs import Throttle, logger

LOOK_SECONDS = 0.25
WRITE_SECONDS = 3.0
TTL_SECONDS = 3600.0
AGAIN_SECONDS = TTL_SECONDS / 3
"""How often a wish is written again that has not changed, so that the bucket does not forget it."""
WRITES_AT_ONCE = 64
_SPARE_BYTES = 4096

log = logger("cloud.bus")


class SharedWishStore(WishStore):
    """The wishes of all replicas.

    bucket: the bucket of wishes.
    tail: the changes of that bucket.
    clock: returns a monotonic time in seconds.
    """

    def __init__(
        self, link: Link, bucket: KeyValue, tail: Tail, members: Members, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._link = link
        self._bucket = bucket
        self._tail = tail
        self._members = members
        self._clock = clock
        self._own: dict[str, SubscriberWish] = {}
        self._unwritten: dict[str, SubscriberWish | None] = {}
        self._write_lock = asyncio.Lock()
        self._entries: dict[str, SharedWish] = {}
        self._written: dict[str, int] = {}
        self._orphaned_at: dict[str, float] = {}
        self._again_at = clock() + AGAIN_SECONDS
        self._throttle = Throttle(10.0)

    @override
    def now(self) -> float:
        return self._clock()

    @override
    def keeps(self, wish: SubscriberWish) -> bool:
        """Return True for every wish, since the edges of other replicas serve it too."""
        return True

    @override
    async def write(self, changes: Mapping[str, StoredWish | None]) -> None:
        """Remember or (None) forget wishes. Raises WishesNotKept for those that NATS does not take in time."""
        for name, stored in changes.items():
            self._unwritten[name] = None if stored is None else stored.wish
            if stored is None:
                self._own.pop(name, None)
            else:
                self._own[name] = stored.wish
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                await self._write_all()
        except NatsTrouble as error:
            raise WishesNotKept(f"the bus does not take them ({error!r}); they are written when it does") from error

    @override
    async def kept(self) -> tuple[StoredWish, ...]:
        """Return none: this replica is new, and the wishes of those that died are held as other replicas' wishes."""
        return ()

    async def open(self) -> None:
        """Read what there is. Raises Gone, or one of `NatsTrouble`."""
        for message in await self._tail.present():
            self._take(message)

    def start(self, neighbours: Neighbours, supervisor: Supervisor) -> None:
        """Begin to share."""
        supervisor.start(self._read_loop(neighbours), "wishes: read")
        supervisor.start(self._look_loop(neighbours), "wishes: look")
        self._members.listen(lambda: neighbours.put_others(self._others()))

    async def close(self) -> None:
        """End the reader; what is held here counts from now on as a dead replica's."""
        await self._tail.close()

    def _take(self, message: Message) -> None:
        name, entry = name_in(message.subject), wish_of(message)
        if message.is_delete or entry is None:
            self._entries.pop(name, None)
            self._orphaned_at.pop(name, None)
            if message.is_delete and name in self._own:
                # Another replica took this one for dead while NATS was away for it.
                self._written.pop(name, None)
                self._unwritten.setdefault(name, self._own[name])
            return
        self._entries[name] = entry
        self._orphaned_at.pop(name, None)
        self._members.named(entry.replica_id)

    def _gone_elsewhere(self) -> list[str]:
        """Return the ids of subscribers that were here and have gone to another replica; forget their wishes."""
        me = self._members.replica_id
        gone = [
            name
            for name in self._own.keys() & self._entries.keys() - self._unwritten.keys()
            if self._entries[name].replica_id != me and self._entries[name].position > self._written.get(name, 0)
        ]
        for name in gone:
            del self._own[name]
            self._written.pop(name, None)
        return gone

    def _others(self) -> dict[str, SubscriberWish]:
        """Return the wishes of other replicas that count now."""
        now, found = self._clock(), {}
        for name, entry in self._entries.items():
            if entry.replica_id == self._members.replica_id or name in self._own:
                continue
            if self._members.alive(entry.replica_id):
                self._orphaned_at.pop(name, None)
                found[name] = entry.wish
            elif now < self._orphaned_at.setdefault(name, now) + entry.wish.hold_seconds:
                found[name] = entry.wish
        return found

    async def _read_loop(self, neighbours: Neighbours) -> None:
        neighbours.put_others(self._others())
        while True:
            for message in await self._tail.batch():
                self._take(message)
            for name in self._gone_elsewhere():
                log.info("subscriber moved to another replica", subscription=name)
                neighbours.taken(name)
            neighbours.put_others(self._others())

    async def _look_loop(self, neighbours: Neighbours) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._link.is_up:
                # Nobody's time runs while nobody can come back.
                self._orphaned_at.clear()
                continue
            others = self._others()
            neighbours.put_others(others)
            if self._clock() >= self._again_at:
                self._again_at = self._clock() + AGAIN_SECONDS
                self._unwritten = {**self._own, **self._unwritten}
            try:
                await self._forget(others)
                await self._write_all()
            except NatsTrouble as error:
                if self._throttle.due():
                    log.warning("wishes not shared", reason=repr(error), times=self._throttle.times)

    async def _forget(self, others: Mapping[str, SubscriberWish]) -> None:
        """Delete the wishes of dead replicas whose time is over, unless they have changed."""
        over = [name for name in self._orphaned_at if name in self._entries and name not in others]
        for name in over:
            await self._delete(name, self._entries[name].position)

    async def _write_all(self) -> None:
        async with self._write_lock:
            while self._unwritten:
                some = dict(list(self._unwritten.items())[:WRITES_AT_ONCE])
                await asyncio.gather(*(self._write_one(name, wish) for name, wish in some.items()))
                for name, wish in some.items():
                    if name in self._unwritten and self._unwritten[name] is wish:
                        del self._unwritten[name]

    async def _write_one(self, name: str, wish: SubscriberWish | None) -> None:
        written = self._written.get(name)
        if wish is None:
            if written is not None:
                await self._delete(name, written)
                del self._written[name]
            return
        data = wish_bytes(wish, self._members.replica_id)
        if len(data) > self._link.most_bytes - _SPARE_BYTES:
            log.warning("wish too long to be shared: it is shared as one for all cameras", subscription=name)
            data = wish_bytes(wish, self._members.replica_id, cameras=False)
        if written is not None:
            try:
                self._written[name] = await self._bucket.update(as_key(name), data, written)
                return
            except NatsTrouble as error:
                if not is_conflict(error):
                    raise
            entry = self._entries.get(name)
            if entry is not None and entry.replica_id != self._members.replica_id:
                return
        self._written[name] = await self._bucket.put(as_key(name), data)

    async def _delete(self, name: str, position: int) -> None:
        """Delete an entry unless it has changed since."""
        try:
            await self._bucket.delete(as_key(name), position)
        except NatsTrouble as error:
            if not is_conflict(error):
                raise
