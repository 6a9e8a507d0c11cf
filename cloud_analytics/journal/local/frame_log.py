"""The frame log of a cloud that is alone: its own journal on its own disk.

    append --in a thread--> Journal --handed over--> next_batch

Law: `append` returns when the pipeline has taken what was new, so that a full pipeline holds the edges back.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Mapping, Sequence

from typing_extensions import override

from cloud_analytics.frames import LoggedFrame
from cloud_analytics.journal.frame_log import Appended, Arrival, FrameLog, KnownCamera, Pruned, Replay
from cloud_analytics.journal.local.sqlite_journal import Journal
from shared.errors import LogUnavailable


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
