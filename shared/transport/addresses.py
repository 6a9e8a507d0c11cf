"""The addresses that all lead to the same service: its replicas.

    "a:1,b:2" --Targets--> current --broken--> next --> current ...

Law: with a single address, `next` stays at it.
"""

from __future__ import annotations

from zlib import crc32


class Targets:
    """The addresses of one client.

    text: one address, or several with commas. name: the client's; clients of different names begin at different
    addresses, evenly.
    """

    def __init__(self, text: str, name: str = "") -> None:
        self._all = tuple(part.strip() for part in text.split(",") if part.strip()) or (text,)
        self._at = crc32(name.encode()) % len(self._all) if name else 0

    def __len__(self) -> int:
        return len(self._all)

    @property
    def current(self) -> str:
        """The address to use now."""
        return self._all[self._at]

    def next(self) -> None:
        """Go on to the next address, since the current one failed."""
        self._at = (self._at + 1) % len(self._all)
