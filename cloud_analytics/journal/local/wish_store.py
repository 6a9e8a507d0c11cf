"""Wishes in the journal's database, so that they outlive this process.

    StoredWish --write--> table `wishes` --kept, at the next start--> StoredWish with the time when it expires

Law: the wish of a subscriber that was connected when the process died is held from the next start on, for as long as it
asked.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from typing_extensions import override

from cloud_analytics.journal.local.database import Database
from cloud_analytics.journal.wish_store import StoredWish, WishStore
from shared.contract.packets import MICROSECONDS
from shared.contract.results import Encoding
from shared.contract.wishes import SubscriberWish
from shared.errors import WishesNotKept


class DiskWishStore(WishStore):
    """Wishes in the journal's database.

    clock: returns the time in seconds since 1970.
    """

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

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
                until = None if stored.expires is None else int(stored.expires * MICROSECONDS)
                document = json.dumps(vars(stored.wish) | {"cursor": ""})
                sql.execute("INSERT OR REPLACE INTO wishes VALUES (?, ?, ?)", (name, document, until))

    def _kept(self) -> tuple[StoredWish, ...]:
        now = self._clock()
        with self._database.writing() as sql:
            sql.execute("DELETE FROM wishes WHERE expires_us <= ?", (int(now * MICROSECONDS),))
            rows = sql.execute("SELECT wish, expires_us FROM wishes").fetchall()
        wishes = ((_wish(document), until) for document, until in rows)
        return tuple(
            StoredWish(wish, now + wish.hold_seconds if until is None else until / MICROSECONDS)
            for wish, until in wishes
        )


def _wish(document: str) -> SubscriberWish:
    wish = SubscriberWish(**json.loads(document))
    return replace(wish, cameras=tuple(wish.cameras), tasks=tuple(wish.tasks), encoding=Encoding(wish.encoding))
