"""The frame log of a cloud that is alone: its own journal on its own disk.

append --thread--> Journal --handed over--> come        (append returns when the pipeline has taken what it brought)
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence

from cloud_analytics.frames import Received
from cloud_analytics.journal.frame_log import Appended, Arrival, Kept, KnownCamera, Replay
from cloud_analytics.journal.local.sqlite_journal import Journal
from shared.errors import LogUnavailable


class JournalLog:
    """See `FrameLog`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._handed_over: asyncio.Queue[tuple[Received, ...]] = asyncio.Queue(1)
        self._taken = False

    @property
    def head(self) -> int:
        """See `FrameLog`."""
        return self._journal.head

    @property
    def cameras(self) -> Mapping[str, KnownCamera]:
        """See `FrameLog`."""
        return self._journal.cameras

    async def append(self, arrivals: Sequence[Arrival]) -> Appended:
        """See `FrameLog`. Returns when the pipeline has taken what was new: that is how it holds the edges back."""
        try:
            appended = await asyncio.to_thread(self._journal.append, arrivals)
        except sqlite3.OperationalError as error:
            raise LogUnavailable(str(error)) from error
        if appended.received:
            await self._handed_over.put(appended.received)
            await self._handed_over.join()
        return appended

    async def come(self) -> Sequence[Received]:
        """See `FrameLog`."""
        if self._taken:
            self._handed_over.task_done()
        self._taken = False
        received = await self._handed_over.get()
        self._taken = True
        return received

    async def replay(self, position: int, up_to: int, cameras: Sequence[str], limit: int) -> Replay:
        """See `FrameLog`."""
        return await asyncio.to_thread(self._journal.replay, position, up_to, cameras, limit)

    def cursor(self, position: int) -> str:
        """See `FrameLog`."""
        return self._journal.cursor(position)

    def position(self, cursor: str) -> int | None:
        """See `FrameLog`."""
        return self._journal.position(cursor)

    async def reach(self, cursor: str) -> None:
        """See `FrameLog`: nobody else appends."""

    async def keep(self) -> Kept:
        """See `FrameLog`."""
        try:
            aged, crowded = await asyncio.to_thread(self._journal.prune)
            used_bytes, frames = await asyncio.to_thread(self._journal.size)
        except sqlite3.OperationalError as error:
            raise LogUnavailable(str(error)) from error
        return Kept(used_bytes, frames, {"age": aged, "bytes": crowded})
