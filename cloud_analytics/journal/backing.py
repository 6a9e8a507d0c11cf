"""What a cloud stands on: where frames and wishes are kept, and what it shares with other replicas.

    LocalBacking: a journal in the data folder, nobody else        jetstream.backing.StreamBacking: streams and buckets that replicas share

Order of a start: `open`, then the service's parts are made, then `join`; of a stop: `leave` when nothing is published any more, `close`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from cloud_analytics.journal.frame_log import FrameLog
from cloud_analytics.journal.local.database import Database, open_database
from cloud_analytics.journal.local.frame_log import JournalLog
from cloud_analytics.journal.local.sqlite_journal import Journal
from cloud_analytics.journal.wish_store import DiskWishStore, WishStore
from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.settings import CloudSettings
from cloud_analytics.subscribers.subscriptions import Subscriptions
from cloud_analytics.uplink.edges import Replicas, SingleReplica, Uplinks
from cloud_analytics.wishes import Wishes


class Storage(Protocol):
    """One cloud's."""

    @property
    def frames(self) -> FrameLog:
        """Once it is open."""

    @property
    def wish_store(self) -> WishStore:
        """Once it is open."""

    @property
    def elsewhere(self) -> Replicas:
        """Once it is open."""

    @property
    def away_seconds(self) -> float:
        """For how long it has not been reached; 0 while all is well."""

    async def open(self) -> None:
        """Raises TaxonError where it cannot be used."""

    def join(
        self, wishes: Wishes, uplinks: Uplinks, subscriptions: Subscriptions, published: Callable[[], int]
    ) -> None:
        """Begins to share what these parts have. published: the last position that this replica's subscribers have."""

    async def failed(self) -> BaseException:
        """Waits until something has ended that must not, and says why."""

    async def leave(self) -> None:
        """Shares nothing more."""

    async def close(self) -> None:
        """For good."""


class LocalStorage:
    """See `Storage`."""

    def __init__(self, settings: CloudSettings, metrics: CloudMetrics) -> None:
        self._settings = settings
        self._metrics = metrics
        self._database: Database | None = None
        self.elsewhere: Replicas = SingleReplica()
        self.away_seconds = 0.0

    async def open(self) -> None:
        """See `Storage`. Raises FolderError."""
        settings = self._settings
        database = self._database = await asyncio.to_thread(open_database, settings.data.expanduser())
        if database.file.set_aside is not None:
            self._metrics.journal_damaged.inc()
        self.journal = await asyncio.to_thread(Journal, database, settings.journal_bytes, settings.journal_age_seconds)
        self.frames: FrameLog = JournalLog(self.journal)
        self.wish_store: WishStore = DiskWishStore(database)

    def join(
        self, wishes: Wishes, uplinks: Uplinks, subscriptions: Subscriptions, published: Callable[[], int]
    ) -> None:
        """See `Storage`: there is nobody."""

    async def failed(self) -> BaseException:
        """See `Storage`: nothing runs here."""
        await asyncio.Event().wait()
        raise AssertionError("nobody sets it")

    async def leave(self) -> None:
        """See `Storage`."""

    async def close(self) -> None:
        """See `Storage`."""
        if self._database is not None:
            await asyncio.to_thread(self._database.close)
