"""The proxies that the environment names, which gRPC takes for every target, this machine's own included.

    http_proxy=http://proxy:3128 --way_options(127.0.0.1:50061)--> no proxy
                                 --proxy_note(cloud:50061)-------> " (through the proxy ... that http_proxy names)"

Laws: no connection within this machine goes to a proxy, which could not reach it. Where a proxy stands between, a failure
names it, because the error that gRPC gives tells the proxy's address as if it were the target's.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from ipaddress import ip_address, ip_network

from shared.transport.addresses import is_loopback
from shared.transport.grpc_channels import ChannelOptions

VARIABLES = ("grpc_proxy", "https_proxy", "http_proxy")
EXEMPTING = ("no_grpc_proxy", "no_proxy")
"""The variables that gRPC reads, in lower case alone; the first that is set counts."""
_SCHEMES = ("dns:///", "dns:", "ipv4:", "ipv6:")
_EVERY_ADDRESS = ("0.0.0.0", "::", "")


def way_options(target: str) -> ChannelOptions:
    """Return the options by which a channel goes to this target: past every proxy where the target is this machine."""
    return [("grpc.enable_http_proxy", 0)] if is_this_machine(target) else []


def is_this_machine(target: str) -> bool:
    """Return True where a gRPC target, HOST:PORT or with a scheme before it, is this machine, whatever it is called."""
    address = _without_scheme(target).lower()
    host = _host_of(address)
    own = socket.gethostname().lower()
    return (
        target.startswith("unix")
        or is_loopback(address)
        or host in (*_EVERY_ADDRESS, "localhost.localdomain", own)
        or host.endswith(".localhost")
    )


def proxy_note(targets: str, environment: Mapping[str, str] = os.environ) -> str:
    """Return what a failed connection's message says of the proxy between; an empty text where there is none.

    targets: one, or several with commas. The proxy's user and password are left out.
    """
    variable = next((name for name in VARIABLES if environment.get(name)), None)
    if variable is None:
        return ""
    hosts = [_host_of(_without_scheme(one.strip())) for one in targets.split(",") if not is_this_machine(one.strip())]
    behind = [host for host in hosts if not _is_exempt(host, environment)]
    proxy = without_login(environment[variable])
    return f" (through the proxy {proxy} that {variable} names; no_proxy={behind[0]} goes past it)" if behind else ""


def without_login(proxy: str) -> str:
    """Return a proxy's HOST:PORT, without the scheme, user and password of its address."""
    return proxy.rpartition("@")[2].rpartition("//")[2].strip("/")


def _is_exempt(host: str, environment: Mapping[str, str]) -> bool:
    """Return True as gRPC does: where the host ends as one of the names does, or lies in one of the networks."""
    exempt = next((environment[name] for name in EXEMPTING if environment.get(name)), "")
    return any(host.endswith(one) or _lies_in(host, one) for one in exempt.lower().replace(" ", "").split(",") if one)


def _lies_in(host: str, network: str) -> bool:
    try:
        return ip_address(host) in ip_network(network, strict=False)
    except ValueError:
        return False


def _without_scheme(target: str) -> str:
    scheme = next((one for one in _SCHEMES if target.startswith(one)), "")
    return target.removeprefix(scheme)


def _host_of(address: str) -> str:
    return address.rpartition(":")[0].strip("[]").lower()
