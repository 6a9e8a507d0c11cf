"""The storage of a cloud that is alone: one SQLite file in its data folder holds the frames and the wishes.

    append --in a thread--> Journal --handed over--> next_batch
    StoredWish --write--> table `wishes` --kept, at the next start--> StoredWish with the time when it expires

Laws: `append` returns when the pipeline has taken what was new, so that a full pipeline holds the edges back. The wish
of a subscriber that was connected when the process died is held from the next start on, for as long as it asked.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from typing_extensions import override

from cloud_analytics.frames import LoggedFrame
from cloud_analytics.journal.frame_log import Appended, Arrival, FrameLog, KnownCamera, Pruned, Replay
from cloud_analytics.journal.local.sqlite_journal import Database, Journal, open_database
from cloud_analytics.journal.storage import Neighbours, SingleReplica, Storage, StoredWish, WishStore
from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.settings import CloudSettings
from shared.contract.packets import MICROSECONDS
from shared.contract.results import Encoding
from shared.contract.wishes import SubscriberWish
from shared.errors import LogUnavailable, WishesNotKept
from shared.server.supervisor import Supervisor


class JournalLog(FrameLog):
    """The frame log in a journal."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._handed_over: asyncio.Queue[tuple[LoggedFrame, ...]] = asyncio.Queue(1)
        self._is_taken = False

    @property
    @override
    def head(self) -> int:
        return self._journal.head

    @property
    @override
    def cameras(self) -> Mapping[str, KnownCamera]:
        return self._journal.cameras

    @override
    async def append(self, arrivals: Sequence[Arrival]) -> Appended:
        try:
            appended = await asyncio.to_thread(self._journal.append, arrivals)
        except sqlite3.OperationalError as error:
            raise LogUnavailable(str(error)) from error
        if appended.frames:
            await self._handed_over.put(appended.frames)
            await self._handed_over.join()
        return appended

    @override
    async def next_batch(self) -> Sequence[LoggedFrame]:
        # The pipeline asks for more when it has a place for all that it was given before.
        if self._is_taken:
            self._handed_over.task_done()
        self._is_taken = False
        frames = await self._handed_over.get()
        self._is_taken = True
        return frames

    @override
    async def replay(self, position: int, up_to: int, cameras: Sequence[str], limit: int) -> Replay:
        return await asyncio.to_thread(self._journal.replay, position, up_to, cameras, limit)

    @override
    def cursor(self, position: int) -> str:
        return self._journal.cursor(position)

    @override
    def position(self, cursor: str) -> int | None:
        return self._journal.position(cursor)

    @override
    async def catch_up(self, cursor: str) -> None:
        """Do nothing: nobody else appends."""

    @override
    async def prune(self) -> Pruned:
        try:
            aged, crowded = await asyncio.to_thread(self._journal.prune)
            used_bytes, frames = await asyncio.to_thread(self._journal.size)
        except sqlite3.OperationalError as error:
            raise LogUnavailable(str(error)) from error
        return Pruned(used_bytes, frames, {"age": aged, "bytes": crowded})


class DiskWishStore(WishStore):
    """Wishes in the journal's database. They expire by its running clock.

    clock: returns the time in seconds since 1970, which is kept for earlier releases.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    @override
    def now(self) -> float:
        return self._database.running.now()

    @override
    def keeps(self, wish: SubscriberWish) -> bool:
        """Return True where the wish asks to outlive its connection."""
        return wish.hold_seconds > 0

    @override
    async def write(self, changes: Mapping[str, StoredWish | None]) -> None:
        try:
            await asyncio.to_thread(self._write, changes)
        except sqlite3.Error as error:
            raise WishesNotKept(str(error)) from error

    @override
    async def kept(self) -> tuple[StoredWish, ...]:
        return await asyncio.to_thread(self._kept)

    def _write(self, changes: Mapping[str, StoredWish | None]) -> None:
        with self._database.writing() as sql:
            for name, stored in changes.items():
                if stored is None:
                    sql.execute("DELETE FROM wishes WHERE subscription = ?", (name,))
                    continue
                expires_at, until = stored.expires, None
                if expires_at is not None:
                    until = int((self._clock() + expires_at - self.now()) * MICROSECONDS)
                    times = (name, until, int(expires_at * MICROSECONDS))
                    sql.execute("INSERT OR REPLACE INTO wish_times VALUES (?, ?, ?)", times)
                document = json.dumps(vars(stored.wish) | {"cursor": ""})
                sql.execute("INSERT OR REPLACE INTO wishes VALUES (?, ?, ?)", (name, document, until))
            self._database.keep_clock(sql)

    def _kept(self) -> tuple[StoredWish, ...]:
        now = self.now()
        kept: list[StoredWish] = []
        with self._database.writing() as sql:
            # Of a wish that another release has written, or of a subscriber that was connected, the time counts from now on.
            rows = sql.execute(
                "SELECT subscription, wish, expires_at_us FROM wishes LEFT JOIN wish_times USING (subscription, expires_us)"
            ).fetchall()
            for name, document, expires_at_us in rows:
                wish = _wish(document)
                expires = now + wish.hold_seconds if expires_at_us is None else expires_at_us / MICROSECONDS
                if expires > now:
                    kept.append(StoredWish(wish, expires))
                else:
                    sql.execute("DELETE FROM wishes WHERE subscription = ?", (name,))
        return tuple(kept)


def _wish(document: str) -> SubscriberWish:
    wish = SubscriberWish(**json.loads(document))
    return replace(wish, cameras=tuple(wish.cameras), tasks=tuple(wish.tasks), encoding=Encoding(wish.encoding))


class LocalStorage(Storage):
    """A journal in the data folder that the settings name."""

    def __init__(self, settings: CloudSettings, metrics: CloudMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self.database: Database | None = None
        self.replicas = SingleReplica()
        self.supervisor = Supervisor()

    @property
    @override
    def away_seconds(self) -> float:
        return 0.0

    @override
    async def open(self) -> None:
        """Open the journal, or begin it. Raises FolderError."""
        settings = self._settings
        database = self.database = await asyncio.to_thread(open_database, settings.data.expanduser())
        if database.file.set_aside is not None:
            self._metrics.journal_damaged.inc()
        self.journal = await asyncio.to_thread(Journal, database, settings.journal_bytes, settings.journal_age_seconds)
        self.frames = JournalLog(self.journal)
        self.wish_store = DiskWishStore(database)

    @override
    def join(self, neighbours: Neighbours) -> None:
        """Do nothing: there is nobody to share with."""

    @override
    async def close(self) -> None:
        if self.database is not None:
            await asyncio.to_thread(self.database.close)
