"""The user name and password of a camera by HTTP: basic (RFC 7617) and digest (RFC 7616, RFC 2069).

    WWW-Authenticate --challenges_of--> challenges --the strongest--> Login --authorization--> Authorization

The standard library's handlers know no SHA-256, and close the connection after each request.
Laws: nothing is sent before the camera has asked for it. A password is sent as it is only to a camera that offers
nothing but basic.
"""

from __future__ import annotations

import base64
import hashlib
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from urllib.request import parse_http_list

BASIC, DIGEST = "basic", "digest"
HASHES: Mapping[str, str] = {"sha-512-256": "sha512_256", "sha-256": "sha256", "md5": "md5"}
"""The algorithms of digest, the strongest first, by hashlib's names."""
SESSION = "-sess"

_BEGINS = re.compile(r"([A-Za-z][\w-]*)(?:\s+(.*))?", re.S)
_PARAMETER = re.compile(r"([\w*-]+)\s*=\s*(.*)", re.S)


@dataclass(frozen=True)
class Challenge:
    """A way to log in that a camera offers. scheme: basic, digest or another, in lower case."""

    scheme: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    @property
    def algorithm(self) -> str:
        """Digest's algorithm without the mark of a session, in lower case."""
        return self.parameters.get("algorithm", "MD5").lower().removesuffix(SESSION)

    @property
    def is_session(self) -> bool:
        """True where digest's key is made from the first nonce."""
        return self.parameters.get("algorithm", "").lower().endswith(SESSION)

    @property
    def qop(self) -> str | None:
        """Digest's quality of protection that is taken, None for that of RFC 2069."""
        offered = [one.strip().lower() for one in self.parameters.get("qop", "").split(",")]
        return next((one for one in ("auth", "auth-int") if one in offered), None)

    @property
    def is_stale(self) -> bool:
        """True where only the nonce was too old."""
        return self.parameters.get("stale", "").lower() == "true"

    @property
    def rank(self) -> int:
        """A number that is smaller for a stronger way; negative for one that is not known here."""
        if self.scheme == BASIC:
            return len(HASHES)
        is_known = self.scheme == DIGEST and "nonce" in self.parameters and self.algorithm in HASHES
        return list(HASHES).index(self.algorithm) if is_known else -1


def challenges_of(headers: Sequence[str]) -> list[Challenge]:
    """Return what the values of WWW-Authenticate offer; one value may offer several ways."""
    found: list[tuple[str, dict[str, str]]] = []
    for part in (part for header in headers for part in parse_http_list(header)):
        parameter = _PARAMETER.fullmatch(part.strip())
        if parameter is None:
            begin = _BEGINS.fullmatch(part.strip())
            if begin is None:
                continue
            found.append((begin[1].lower(), {}))
            parameter = _PARAMETER.fullmatch(begin[2] or "")
        if parameter is not None and found:
            found[-1][1][parameter[1].lower()] = _unquoted(parameter[2])
    return [Challenge(scheme, parameters) for scheme, parameters in found]


def _unquoted(value: str) -> str:
    value = re.sub(r"\s*[\r\n]+\s*", " ", value.strip())
    if len(value) >= 2 and value[0] == value[-1] == '"':
        return re.sub(r"\\(.)", r"\1", value[1:-1])
    return value


class Login:
    """A user name and password, and how the camera wants them. client_nonce: returns a new random text."""

    def __init__(self, login: bytes, client_nonce: Callable[[], str] = lambda: os.urandom(12).hex()) -> None:
        self._user, _, self._password = login.partition(b":")
        self._client_nonce = client_nonce
        self._taken: Challenge | None = None
        self._uses = 0
        self._session_nonce = ""

    def takes(self, headers: Sequence[str]) -> bool:
        """Take the best of what the camera offers; return False where another attempt would be refused as well."""
        known = [one for one in challenges_of(headers) if one.rank >= 0]
        best = min(known, key=lambda one: one.rank, default=None)
        # A second refusal in a row is final, unless the nonce of earlier requests has grown too old.
        may_pass = self._uses == 0 or (best is not None and best.scheme == DIGEST and (self._uses > 1 or best.is_stale))
        self._taken = best if may_pass else None
        self._uses, self._session_nonce = 0, ""
        return self._taken is not None

    def authorization(self, method: str, target: str) -> str | None:
        """Return the header's value for a request without a body, None before the camera has asked for one."""
        if self._taken is None:
            return None
        self._uses += 1
        if self._taken.scheme == BASIC:
            return "Basic " + base64.b64encode(self._user + b":" + self._password).decode()
        return self._digest(self._taken, method, target)

    def _digest(self, challenge: Challenge, method: str, target: str) -> str:
        given = challenge.parameters
        realm, nonce, qop = given.get("realm", ""), given["nonce"], challenge.qop
        client_nonce, uses = self._client_nonce(), f"{self._uses:08x}"

        def hashed(*parts: bytes) -> str:
            return hashlib.new(HASHES[challenge.algorithm], b":".join(parts), usedforsecurity=False).hexdigest()

        key = hashed(self._user, _bytes(realm), self._password)
        if challenge.is_session:
            self._session_nonce = self._session_nonce or client_nonce
            key = hashed(key.encode(), _bytes(nonce), self._session_nonce.encode())
            client_nonce = self._session_nonce
        asked = [method.encode(), target.encode()] + ([hashed(b"").encode()] if qop == "auth-int" else [])
        between = [] if qop is None else [uses, client_nonce, qop]
        response = hashed(key.encode(), *(_bytes(one) for one in (nonce, *between, hashed(*asked))))
        is_hidden = given.get("userhash", "").lower() == "true"
        user = hashed(self._user, _bytes(realm)) if is_hidden else self._user.decode("latin-1")
        quoted = {"username": user, "realm": realm, "nonce": nonce, "uri": target, "response": response}
        plain = {}
        if "opaque" in given:
            quoted["opaque"] = given["opaque"]
        if "algorithm" in given:
            plain["algorithm"] = given["algorithm"]
        if qop is not None:
            plain |= {"qop": qop, "nc": uses}
        if qop is not None or challenge.is_session:
            quoted["cnonce"] = client_nonce
        if is_hidden:
            plain["userhash"] = "true"
        shown = [f'{name}="{_escaped(value)}"' for name, value in quoted.items()]
        return "Digest " + ", ".join([*shown, *(f"{name}={value}" for name, value in plain.items())])


def _bytes(value: str) -> bytes:
    """Return the bytes of a header's value as they came; http.client reads headers so."""
    return value.encode("latin-1")


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"')
