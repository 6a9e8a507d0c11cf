"""Wishes that outlive their connection, kept in the journal's database so that they outlive the process too.

    StoredWish --write--> disk --kept--> the wishes and when they expire, once a service starts again

Law: a wish whose subscriber was connected when the process died expires so long after the next start as it asked to be held.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from cloud_analytics.database import Database
from cloud_analytics.results.types import Wish
from shared.packets import MICROSECONDS
from shared.results import Encoding


@dataclass(frozen=True)
class StoredWish:
    """A wish on the disk. expires: in seconds since 1970; None while its subscriber is connected."""

    wish: Wish
    expires: float | None


class WishStore:
    """Blocking, like the journal. clock: seconds since 1970."""

    def __init__(self, database: Database, clock: Callable[[], float] = time.time) -> None:
        self._database = database
        self._clock = clock

    def write(self, changes: Mapping[str, StoredWish | None]) -> None:
        """Remembers or (None) forgets wishes by subscription id, all in one transaction."""
        with self._database.writing() as sql:
            for name, stored in changes.items():
                if stored is None:
                    sql.execute("DELETE FROM wishes WHERE subscription = ?", (name,))
                    continue
                until = None if stored.expires is None else int(stored.expires * MICROSECONDS)
                document = json.dumps(vars(stored.wish) | {"cursor": ""})
                sql.execute("INSERT OR REPLACE INTO wishes VALUES (?, ?, ?)", (name, document, until))

    def kept(self) -> tuple[StoredWish, ...]:
        """All that have not expired, each with its time; the others are forgotten."""
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
