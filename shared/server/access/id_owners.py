"""Ids that callers choose for themselves; each belongs to one token as long as it is in use.

    edge id, subscription id --IdOwners.held(id, caller)--> this caller's           another token's: NotAllowed

Law: nobody takes the id of somebody else who is connected. The same token may take its own id again.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from shared.server.access.callers import Caller


class IdOwners:
    """The owners of the ids of one kind, within one process of a service.

    what: the kind of the ids, for refusals. Where nobody asks for tokens, everybody is the same caller.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._held: dict[str, tuple[str, int]] = {}

    @contextmanager
    def held(self, name: str, caller: Caller) -> Iterator[None]:
        """Hold an id while it is used; raises NotAllowed, counted."""
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
