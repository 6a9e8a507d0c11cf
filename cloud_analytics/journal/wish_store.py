"""The place where wishes are kept that outlive their connection.

Law: a wish is kept until it has expired or its subscriber has ended it, also where this process dies in between.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from shared.contract.wishes import SubscriberWish


@dataclass(frozen=True)
class StoredWish:
    """A wish as it is kept.

    expires: the time when it expires, in seconds since 1970; None while its subscriber is connected.
    """

    wish: SubscriberWish
    expires: float | None


class WishStore(Protocol):
    """A store of wishes."""

    def keeps(self, wish: SubscriberWish) -> bool:
        """Return True where the wish of a connected subscriber is worth keeping."""

    async def write(self, changes: Mapping[str, StoredWish | None]) -> None:
        """Remember or (None) forget wishes by subscription id, all of them or none. Raises WishesNotKept."""

    async def kept(self) -> tuple[StoredWish, ...]:
        """Return an earlier process's wishes that have not expired, each with its time; forget the others."""
