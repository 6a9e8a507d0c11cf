"""Wishes that all replicas know: what the subscribers of each want, in one bucket.

    own wishes --write--> bucket --read--> those of other replicas --Wishes.put_others--> what this replica's edges are told

Laws: a wish belongs to the replica that wrote it last; only that one writes or deletes it while it lives. When it has died, its wish counts
for as long as it asked to be held, on every replica by its own clock; whoever is first deletes it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping

from nats.js.kv import KeyValue

from cloud_analytics.journal.jetstream.link import Link, NatsTrouble, is_conflict
from cloud_analytics.journal.jetstream.members import Members
from cloud_analytics.journal.jetstream.messages import SharedWish, wish_bytes, wish_of
from cloud_analytics.journal.jetstream.names import as_key, name_in
from cloud_analytics.journal.jetstream.reader import Message
from cloud_analytics.journal.jetstream.tail import Tail
from cloud_analytics.journal.wish_store import StoredWish
from shared.contract.wishes import SubscriberWish
from shared.errors import WishesNotKept
from shared.server.cancellation import ended
from shared.telemetry.logs import Throttle, logger

LOOK_SECONDS = 0.25
WRITE_SECONDS = 3.0
TTL_SECONDS = 3600.0
AGAIN_SECONDS = TTL_SECONDS / 3
"""How often a wish is written again that has not changed, so that the bucket does not forget it."""
WRITES_AT_ONCE = 64
_SPARE_BYTES = 4096

log = logger("cloud.bus")


class SharedWishStore:
    """See `WishStore`. clock: seconds, monotonic."""

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
        self._writing = asyncio.Lock()
        self._entries: dict[str, SharedWish] = {}
        self._written: dict[str, int] = {}
        self._orphaned_at: dict[str, float] = {}
        self._again_at = clock() + AGAIN_SECONDS
        self._tasks: list[asyncio.Task[None]] = []
        self._throttle = Throttle(10.0)

    def keeps(self, wish: SubscriberWish) -> bool:
        """See `WishStore`: all, since the other replicas' edges serve them too."""
        return True

    async def write(self, changes: Mapping[str, StoredWish | None]) -> None:
        """See `WishStore`. What NATS does not take in time is written later."""
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

    async def kept(self) -> tuple[StoredWish, ...]:
        """See `WishStore`: none of this replica, which is new; those of its dead forerunners are held as others' are."""
        return ()

    async def open(self) -> None:
        """Reads what there is; raises Gone or `NatsTrouble`."""
        for message in await self._tail.present():
            self._take(message)

    def start(self, put_others: Callable[[Mapping[str, SubscriberWish]], None], taken: Callable[[str], None]) -> None:
        """put_others: told what the subscribers of other replicas want. taken: told the id of one that has gone to another replica."""
        works = (self._read_loop(put_others, taken), self._look_loop(put_others))
        self._tasks = [asyncio.create_task(work, name="wishes") for work in works]
        self._members.listen(lambda: put_others(self._others()))

    async def failed(self) -> BaseException:
        """Waits until a loop has ended, which it must not, and says why."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(iter(done)).exception() or RuntimeError("the wishes' loop ended")

    async def close(self) -> None:
        """What is held here counts as a dead replica's."""
        await ended(self._tasks)
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
        """The ids of subscribers that were here and have gone to another replica."""
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
        """The wishes of other replicas that count now."""
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

    async def _read_loop(
        self, put_others: Callable[[Mapping[str, SubscriberWish]], None], taken: Callable[[str], None]
    ) -> None:
        put_others(self._others())
        while True:
            for message in await self._tail.batch():
                self._take(message)
            for name in self._gone_elsewhere():
                log.info("subscriber moved to another replica", subscription=name)
                taken(name)
            put_others(self._others())

    async def _look_loop(self, put_others: Callable[[Mapping[str, SubscriberWish]], None]) -> None:
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            if not self._link.is_up:
                # Nobody's time runs while nobody can come back.
                self._orphaned_at.clear()
                continue
            others = self._others()
            put_others(others)
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
        """Deletes those of dead replicas whose time is over, unless they have changed."""
        over = [name for name in self._orphaned_at if name in self._entries and name not in others]
        for name in over:
            await self._delete(name, self._entries[name].position)

    async def _write_all(self) -> None:
        async with self._writing:
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
        """Unless it has changed since."""
        try:
            await self._bucket.delete(as_key(name), position)
        except NatsTrouble as error:
            if not is_conflict(error):
                raise
