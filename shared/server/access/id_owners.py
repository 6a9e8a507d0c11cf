"""Ids that callers choose for themselves, each its token's for as long as it is in use.

    edge id, subscription id --Places.held(id, caller)--> with: it is this caller's          another token's: NotAllowed

Law: nobody takes the place of somebody else who is connected; who comes again with the same token takes its own.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared.server.access.callers import Caller


class IdOwners:
    """what: the kind of the ids, for refusals. Of one service's process; where nobody asks for tokens, everybody is the same caller."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._held: dict[str, tuple[str, int]] = {}

    @contextmanager
    def held(self, name: str, caller: Caller) -> Iterator[None]:
        """Around the use of an id; raises NotAllowed, counted."""
        owner, users = self._held.get(name, (caller.name, 0))
        if owner != caller.name:
            raise caller.refused(f"the {self._what} {name}, which is another token's now")
        self._held[name] = (owner, users + 1)
        try:
            yield
        finally:
            owner, users = self._held[name]
            if users == 1:
                del self._held[name]
            else:
                self._held[name] = (owner, users - 1)
