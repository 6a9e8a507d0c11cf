"""What all subscribers together want: it decides which heads run, and which groups the edges code.

    wishes of connected subscribers --tasks_for a camera--> heads
    wishes, connected and held, of this replica and the others --wanted of a bundle--> WantedGroups, for each edge

Laws: a task is wanted as long as one wish names it. A wish whose connection broke counts until its time is over, also
over a restart. Heads run for connected subscribers alone: what a held one has missed is computed when it comes back.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from cloud_analytics.analysis.catalogue import ServedBundle
from cloud_analytics.journal.storage import StoredWish, WishStore
from cloud_analytics.metrics.service import CloudMetrics
from shared.contract.wishes import SubscriberWish
from shared.errors import WishesNotKept
from shared.telemetry.logs import logger

log = logger("cloud.wishes")


@dataclass(frozen=True)
class WantedGroups:
    """The groups that edges are to code.

    of_all: the groups of every camera.
    of_cameras: further groups of single cameras.
    """

    of_all: frozenset[str] = frozenset()
    of_cameras: Mapping[str, frozenset[str]] = field(default_factory=dict)


class Wishes:
    """The wishes of one cloud process.

    most_held: the most wishes without a connection; beyond it, the one that would expire first goes.
    """

    def __init__(self, store: WishStore, most_held: int, metrics: CloudMetrics) -> None:
        self._store = store
        self._most_held = most_held
        self._metrics = metrics
        self._connected: dict[str, SubscriberWish] = {}
        self._held: dict[str, StoredWish] = {}
        self._others: Mapping[str, SubscriberWish] = {}
        self._timers: dict[str, asyncio.TimerHandle] = {}
        self._stored: set[str] = set()
        self._unwritten: dict[str, StoredWish | None] = {}
        self._write_lock = asyncio.Lock()
        self._writing_tasks: set[asyncio.Task[None]] = set()
        self._stopping = False
        self._listeners: set[Callable[[], None]] = set()
        self._tasks_of: dict[str, frozenset[str]] = {}

    async def start(self) -> None:
        """Take up the wishes that an earlier process kept."""
        for stored in await self._store.kept():
            self._stored.add(stored.wish.subscription_id)
            self._hold(stored)
        await self.written()
        self.changed()

    def put(self, wish: SubscriberWish) -> None:
        """Take a connected subscriber's wish, in place of the one with its id."""
        name = wish.subscription_id
        self._release(name)
        self._connected[name] = wish
        self._write(name, StoredWish(wish, None) if self._store.keeps(wish) else None)
        self.changed()

    def drop(self, subscription_id: str, *, hold: bool) -> None:
        """Drop the wish of a subscriber that has gone.

        hold: its connection broke, so the wish stays for as long as it asked.
        """
        wish = self._connected.pop(subscription_id, None)
        if wish is None:
            return
        if hold and wish.hold_seconds:
            self._hold(StoredWish(wish, self._store.now() + wish.hold_seconds))
            if self._stopping:
                # On the disk it stays one of a connected subscriber, whose time counts from the next start.
                self._write(subscription_id, StoredWish(wish, None))
        else:
            self._write(subscription_id, None)
        self.changed()

    def taken(self, subscription_id: str) -> None:
        """Forget the wish of a subscriber that is at another replica now, which keeps it."""
        self._release(subscription_id)
        self._connected.pop(subscription_id, None)
        self._unwritten.pop(subscription_id, None)
        self._stored.discard(subscription_id)
        self.changed()

    def put_others(self, wishes: Mapping[str, SubscriberWish]) -> None:
        """Take the wishes of other replicas' subscribers, by subscription id, in place of those before."""
        if wishes != self._others:
            self._others = wishes
            self.changed()

    async def written(self) -> None:
        """Return when all wishes so far are kept. A store that fails is logged, and the wishes still count."""
        # A caller that is cancelled in the middle must not take along what others wait for.
        await asyncio.shield(self._start_writing())

    def _start_writing(self) -> asyncio.Task[None]:
        writing = asyncio.create_task(self._write_all(), name="wishes")
        # The loop itself holds tasks weakly; one that nobody holds may vanish in the middle.
        self._writing_tasks.add(writing)
        writing.add_done_callback(self._writing_tasks.discard)
        return writing

    def tasks_for(self, camera_id: str) -> frozenset[str]:
        """Return the tasks that connected subscribers want of a camera."""
        if camera_id not in self._tasks_of:
            # Asked for every frame, so the answer is kept until a wish changes.
            wishes = [wish for wish in self._connected.values() if not wish.cameras or camera_id in wish.cameras]
            self._tasks_of[camera_id] = _tasks(wishes)
        return self._tasks_of[camera_id]

    def wanted(self, served: ServedBundle) -> WantedGroups:
        """Return the groups of a bundle that somebody wants."""
        of_all = _tasks(wish for wish in self._all() if not wish.cameras)
        groups_of_all = served.groups_of(of_all)
        of_cameras: dict[str, frozenset[str]] = {}
        for wish in self._all():
            groups = served.groups_of(frozenset(wish.tasks)) - groups_of_all
            for camera in wish.cameras if groups else ():
                of_cameras[camera] = of_cameras.get(camera, frozenset()) | groups
        return WantedGroups(groups_of_all, of_cameras)

    def listen(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call the listener after every change; the returned function ends that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    def changed(self) -> None:
        """Tell the listeners; to be called also when the served tasks have changed."""
        self._tasks_of.clear()
        self._metrics.subscribers.set(len(self._connected))
        self._metrics.wishes_held.set(len(self._held))
        for listener in tuple(self._listeners):
            listener()

    def stopping(self) -> None:
        """Note that connections break from now on because this service ends."""
        self._stopping = True

    async def close(self) -> None:
        """Stop the clocks; what is held stays on the disk."""
        for timer in self._timers.values():
            timer.cancel()
        await self.written()

    async def _write_all(self) -> None:
        async with self._write_lock:
            changes, self._unwritten = self._unwritten, {}
            if not changes:
                return
            try:
                await self._store.write(changes)
            except WishesNotKept as error:
                log.error("wishes not kept", reason=str(error))

    def _all(self) -> tuple[SubscriberWish, ...]:
        own = (*self._connected.values(), *(stored.wish for stored in self._held.values()))
        return (*own, *self._others.values())

    def _hold(self, stored: StoredWish) -> None:
        name = stored.wish.subscription_id
        left = max(0.0, (stored.expires or 0.0) - self._store.now())
        self._held[name] = stored
        self._timers[name] = asyncio.get_running_loop().call_later(left, self._expire, name)
        self._write(name, stored)
        if len(self._held) > self._most_held:
            first = min(self._held, key=lambda one: self._held[one].expires or 0.0)
            self._release(first)
            self._write(first, None)

    def _expire(self, name: str) -> None:
        self._release(name)
        self._write(name, None)
        self._start_writing()
        log.info("wish expired", subscription=name)
        self.changed()

    def _release(self, name: str) -> None:
        if self._held.pop(name, None) is not None:
            self._timers.pop(name).cancel()

    def _write(self, name: str, stored: StoredWish | None) -> None:
        """Note the change, for `written` to write it."""
        if stored is None and name not in self._stored:
            self._unwritten.pop(name, None)
            return
        if stored is not None:
            self._stored.add(name)
        else:
            self._stored.discard(name)
        self._unwritten[name] = stored


def _tasks(wishes: Iterable[SubscriberWish]) -> frozenset[str]:
    return frozenset(task for wish in wishes for task in wish.tasks)
