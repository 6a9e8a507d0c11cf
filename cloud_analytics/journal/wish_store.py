"""Wishes that outlive their connection, kept so that they outlive the process too; `DiskWishStore` in the journal's database.

    StoredWish --write--> disk --kept--> the wishes and when they expire, once a service starts again

Law: a wish whose subscriber was connected when the process died expires so long after the next start as it asked to be held.
"""

from __future__ import annotations

import asyncio
import json
import sqlite3
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol

from cloud_analytics.frames import Wish
from cloud_analytics.journal.local.database import Database
from shared.contract.packets import MICROSECONDS
from shared.contract.results import Encoding
from shared.errors import WishesNotKept


@dataclass(frozen=True)
class StoredWish:
    """A wish as it is kept. expires: in seconds since 1970; None while its subscriber is connected."""

    wish: Wish
    expires: float | None


class WishStore(Protocol):
    """Where wishes are kept."""

    def keeps(self, wish: Wish) -> bool:
        """Whether a connected subscriber's wish is worth keeping."""

    async def write(self, changes: Mapping[str, StoredWish | None]) -> None:
        """Remembers or (None) forgets wishes by subscription id, all of them or none. Raises WishesNotKept."""

    async def kept(self) -> tuple[StoredWish, ...]:
        """All of an earlier process that have not expired, each with its time; the others are forgotten."""


class DiskWishStore:
    """See `WishStore`. clock: seconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def keeps(self, wish: Wish) -> bool:
        """See `WishStore`: those that ask to outlive their connection."""
        return wish.hold_seconds > 0

    async def write(self, changes: Mapping[str, StoredWish | None]) -> None:
        """See `WishStore`: all in one transaction."""
        try:
            await asyncio.to_thread(self._write, changes)
        except sqlite3.Error as error:
            raise WishesNotKept(str(error)) from error

    async def kept(self) -> tuple[StoredWish, ...]:
        """See `WishStore`."""
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


def _wish(document: str) -> Wish:
    wish = Wish(**json.loads(document))
    return replace(wish, cameras=tuple(wish.cameras), tasks=tuple(wish.tasks), encoding=Encoding(wish.encoding))
