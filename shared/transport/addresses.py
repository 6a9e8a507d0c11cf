"""Addresses that all lead to the same service: its replicas.

    "a:1,b:2" --Targets--> current --broken--> next --> current ...

Law: who has one address goes on with that one.
"""

from __future__ import annotations

from zlib import crc32


class Targets:
    """text: one address, or several with commas. name: whose; clients of different names begin at different addresses, evenly."""

    def __init__(self, text: str, name: str = "") -> None:
        self._all = tuple(part.strip() for part in text.split(",") if part.strip()) or (text,)
        self._at = crc32(name.encode()) % len(self._all) if name else 0

    def __len__(self) -> int:
        return len(self._all)

    @property
    def current(self) -> str:
        """The one to use now."""
        return self._all[self._at]

    def next(self) -> None:
        """The current one did not do."""
        self._at = (self._at + 1) % len(self._all)
