"""The border at which TLS and tokens begin to be asked for: addresses of this machine alone."""

from __future__ import annotations

from ipaddress import ip_address


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
