"""The storage of a cloud that is alone: one SQLite file in its data folder holds the frames and the wishes."""

from __future__ import annotations

import asyncio

from typing_extensions import override

from cloud_analytics.journal.local.database import Database, open_database
from cloud_analytics.journal.local.frame_log import JournalLog
from cloud_analytics.journal.local.sqlite_journal import Journal
from cloud_analytics.journal.local.wish_store import DiskWishStore
from cloud_analytics.journal.replicas import SingleReplica
from cloud_analytics.journal.storage import Neighbours, Storage
from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.settings import CloudSettings
from shared.server.supervisor import Supervisor


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
