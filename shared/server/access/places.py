"""A bounded number of places that several callers share, so that none of them can take what is the others'.

    take(holder, key) --room--> taken      --no room--> the place that the greediest holder gives up, or Busy

A holder may take all places while nobody else wants one. When they are full, a newcomer gets the newest place of the
holder that has the most, unless that would be its own.

Law: while places are asked for, none whose holder has no more than an equal share is given to anybody else.
"""

from __future__ import annotations

from collections.abc import Hashable
from typing import Generic, TypeVar

from shared.errors import Busy

Key = TypeVar("Key", bound=Hashable)


class SharedPlaces(Generic[Key]):
    """The places of one kind. most: their number. what: their name in refusals, as in `1000 subscribers`."""

    def __init__(self, most: int, what: str) -> None:
        self._most = most
        self._what = what
        self._of_holders: dict[str, dict[Key, None]] = {}
        self._holder_of: dict[Key, str] = {}

    def __len__(self) -> int:
        """Return how many places are taken."""
        return len(self._holder_of)

    def __contains__(self, key: Key) -> bool:
        """Return whether this place is taken."""
        return key in self._holder_of

    def take(self, holder: str, key: Key) -> Key | None:
        """Take a place; return the one that another holder has lost for it, None where there was room.

        Raises Busy where the holder has as many as anybody. A key that has its place keeps it.
        """
        if key in self._holder_of:
            return None
        lost = self._lost_to(holder) if len(self) >= self._most else None
        if lost is not None:
            self.leave(lost)
        self._holder_of[key] = holder
        self._of_holders.setdefault(holder, {})[key] = None
        return lost

    def leave(self, key: Key) -> None:
        """Give a place back; nothing where it is not taken."""
        holder = self._holder_of.pop(key, None)
        if holder is None:
            return
        held = self._of_holders[holder]
        del held[key]
        if not held:
            del self._of_holders[holder]

    def _lost_to(self, holder: str) -> Key:
        greediest = max(self._of_holders.values(), key=len, default={})
        # With one place fewer it must still have as many as the newcomer with one more. Else two would take turns.
        if len(greediest) - 1 < len(self._of_holders.get(holder, {})) + 1:
            raise Busy(f"{self._most} {self._what} are connected; no more are taken")
        return next(reversed(greediest))
