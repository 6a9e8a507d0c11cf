"""Addresses, HOST:PORT: those that all lead to the replicas of one service, and those of this machine alone.

    "a:1,b:2" --Targets--> current --broken--> next --> current ...

Law: with a single address, `next` stays at it.
"""

from __future__ import annotations

from ipaddress import ip_address
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


def is_loopback(address: str) -> bool:
    """Return True where HOST:PORT is an address of this machine alone.

    A name counts as another machine's, `localhost` apart, and no host at all as every address of this machine.
    """
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
