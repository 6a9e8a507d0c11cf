"""The address of a live source as people write it: where it is, who asks, and by which transport.

    rtsp+udp://admin:p@ss/1#%@10.0.0.5:554/live    -->    StreamAddress    -->    rtsp://admin:p%40ss%2F1%23%25@10.0.0.5:554/live

A user name or password may be written as it is, or percent-encoded as the standard wants it (RFC 3986).
Laws: an address that the standard can read means what the standard says. Another one is taken where it can be read in
one way only. No message of this module has a password in it.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from pathlib import PurePosixPath
from urllib.parse import quote_from_bytes, unquote_to_bytes

from shared.errors import SourceError, SourceRefused
from shared.telemetry.redaction import redacted


class Transport(StrEnum):
    """What carries the pictures of an RTSP camera."""

    TCP = "tcp"
    UDP = "udp"


SCHEMES = {
    "rtsp": ("rtsp", None),
    "rtsp+tcp": ("rtsp", Transport.TCP),
    "rtsp+udp": ("rtsp", Transport.UDP),
    # VLC and GStreamer write these.
    "rtspt": ("rtsp", Transport.TCP),
    "rtspu": ("rtsp", Transport.UDP),
    # Inside TLS there is nothing else.
    "rtsps": ("rtsps", Transport.TCP),
    "http": ("http", None),
    "https": ("https", None),
}
"""The schemes of addresses; each with the scheme on the wire and the transport that it asks for, None for automatic."""

DEFAULT_PORTS = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
LONGEST_LOGIN_BYTES = 127
"""FFmpeg keeps no more of an RTSP user name and password, as they stand in the address."""

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_HOST_AND_PORT = re.compile(r"(?P<host>\[[^\[\]/?#@]+\]|[^\s\[\]/?#@:]+)(?::(?P<port>[0-9]{1,5}))?")
_WHERE = re.compile(r"[/?#]")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]|%(?:[01][0-9A-Fa-f]|7[Ff])")
_LONE_PERCENT = re.compile(r"%(?![0-9A-Fa-f]{2})")
_NOT_IN_LOGIN = re.compile(rb"[%/?#@ ]")


@dataclass(frozen=True)
class StreamAddress:
    """Where a stream is. scheme: rtsp, rtsps, http or https. transport: the one that was asked for, None for automatic.

    login: `user:password` in bytes, decoded; None without one. where: path and query, from the slash on.
    """

    scheme: str
    transport: Transport | None
    login: bytes | None = field(repr=False)
    host: str
    port: int | None
    where: str

    @property
    def connects_to(self) -> tuple[str, int]:
        """The host, without the brackets of IPv6, and the port."""
        return self.host.strip("[]"), self.port or DEFAULT_PORTS[self.scheme]

    @property
    def is_loopback(self) -> bool:
        """True for an address of this machine itself."""
        host = self.connects_to[0].lower().rstrip(".")
        try:
            return ip_address(host).is_loopback
        except ValueError:
            return host == "localhost" or host.endswith(".localhost")

    @property
    def for_ffmpeg(self) -> str:
        """The address in FFmpeg's dialect; raises nothing, for `parsed` has refused what cannot be said in it."""
        # FFmpeg takes a login apart before it decodes it, and keeps few bytes of it. So only what would mislead it is encoded.
        login = "" if self.login is None else _encoded_login(self.login) + "@"
        return f"{self.scheme}://{login}{self._host_and_port}{_without_spaces(self.where)}"

    @property
    def camera_name(self) -> str:
        """A word for the camera: the last part of the path, or the host; neither login nor query."""
        path = PurePosixPath(re.split(r"[?#]", self.where)[0])
        return path.stem or self.host.strip("[]")

    @property
    def _host_and_port(self) -> str:
        return self.host if self.port is None else f"{self.host}:{self.port}"


def is_stream_address(spec: str) -> bool:
    """Return True for what `parsed` reads."""
    match = _SCHEME.match(spec)
    return match is not None and match[1].lower() in SCHEMES


def parsed(spec: str) -> StreamAddress:
    """Return the address that a text names; raises SourceError, with the text but without its password."""
    match = _SCHEME.match(spec)
    if match is None or match[1].lower() not in SCHEMES:
        raise _refused(spec, f"is no address of a stream; begin it with {', '.join(f'{name}://' for name in SCHEMES)}")
    if _CONTROL.search(spec):
        raise _refused(spec, "a line break or another control character is in this address; leave it out")
    scheme, transport = SCHEMES[match[1].lower()]
    login, rest = _taken_apart(spec, spec[match.end() :])
    host = _HOST_AND_PORT.match(rest)
    if host is None:
        raise _refused(spec, "there is no host in this address; write rtsp://USER:PASSWORD@HOST:PORT/PATH")
    port = None if host["port"] is None else int(host["port"])
    decoded = None if login is None else unquote_to_bytes(_LONE_PERCENT.sub("%25", login))
    address = StreamAddress(scheme, transport, decoded, host["host"], port, _path(rest[host.end() :]))
    if (
        scheme.startswith("rtsp")
        and decoded is not None
        and len(os.fsencode(_encoded_login(decoded))) > LONGEST_LOGIN_BYTES
    ):
        raise _refused(
            spec, f"its user name and password have more than {LONGEST_LOGIN_BYTES} bytes; take shorter ones"
        )
    return address


def _taken_apart(spec: str, rest: str) -> tuple[str | None, str]:
    """Return the login, and what begins with the host."""
    end = _WHERE.search(rest)
    authority = rest if end is None else rest[: end.start()]
    login, at, _ = authority.rpartition("@")
    if _begins_with_host(rest[len(login) + len(at) :]):
        return (login if at else None), rest[len(login) + len(at) :]
    # The standard cannot read it: its password has a character that ends the host. Where then is the host?
    ends = [one.start() for one in re.finditer("@", rest) if _begins_with_host(rest[one.end() :])]
    if len(ends) != 1:
        why = "it can be read in more than one way" if ends else "there is no host in it"
        raise _refused(spec, f"{why}; in a password write %2F for /, %3F for ?, %23 for #, %40 for @ and %25 for %")
    return rest[: ends[0]], rest[ends[0] + 1 :]


def _begins_with_host(text: str) -> bool:
    """Return True where a host stands here, and then only what may follow one."""
    match = _HOST_AND_PORT.match(text)
    if match is None or (match["port"] is not None and not 0 < int(match["port"]) < 1 << 16):
        return False
    rest = text[match.end() :]
    # A fragment means nothing to a camera. So a # before an @ belongs to a password.
    return (not rest or rest[0] in "/?#") and "@" not in rest.partition("#")[2]


def _path(text: str) -> str:
    """Return path and query without the fragment, which stays at home."""
    return text.partition("#")[0]


def _encoded_login(login: bytes) -> str:
    encoded = _NOT_IN_LOGIN.sub(lambda found: quote_from_bytes(found.group(), safe="").encode(), login)
    # PyAV makes bytes of it again in the same way.
    return os.fsdecode(encoded)


def _without_spaces(where: str) -> str:
    """Return path and query as they may stand in a request: the rest of it as it was written."""
    return re.sub(r"[^\x21-\x7e]", lambda found: quote_from_bytes(found.group().encode(), safe=""), where)


def _refused(spec: str, reason: str) -> SourceError:
    return SourceRefused(redacted(spec), reason)
