"""Whether an address is of this machine alone: the border at which TLS and tokens begin to be asked for."""

from __future__ import annotations

from ipaddress import ip_address


def is_loopback(address: str) -> bool:
    """Of HOST:PORT. A name is taken for another machine's, `localhost` apart, and no host for all of this machine's addresses."""
    host = address.rpartition(":")[0].strip("[]")
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
