"""The callers of a service and their rights: the one place where its gRPC and HTTP servers ask.

    "Bearer txn_..." --Access.caller--> Caller --require(SUBSCRIBE, "hall")--> nothing, or NotAllowed
    "Basic YTp0eG5..." (any user, the token as password) --'

Laws: a caller is asked again with every frame, and whenever the tokens change. A token that is taken out of the file
ends its streams too, also those on which nothing comes. A refusal is counted by its reason and logged now and then,
with the token's name at most. Nobody takes the id of somebody else who is connected.
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import NoReturn

from prometheus_client import CollectorRegistry

from shared.errors import NotAllowed, RequestError, Unauthenticated
from shared.server.access.scopes import ANYBODY, Action, Grant
from shared.server.access.token_file import LONGEST_TOKEN, TokenEntry, Tokens, digest_of
from shared.telemetry.logs import Throttle, logger
from shared.telemetry.metrics import Meters
from shared.transport.status_codes import status_of

log = logger("access")
HEADER = "authorization"
BEARER, BASIC = "bearer", "basic"
ASKED = "this service asks for a token: Authorization: Bearer TOKEN, or the token as the password of HTTP basic authentication"
LONGEST_BASIC = 2048
TOLD_SECONDS = 10.0
ASKED_AGAIN_SECONDS = 1.0
SERVERS = ("rpc", "http")


@dataclass(frozen=True)
class Call:
    """A call as the log names it.

    server: `rpc` or `http`. what: its method or path. peer: the address that it comes from.
    """

    server: str
    what: str
    peer: str


class Access:
    """The rights of all callers.

    tokens: None lets everybody do everything. meters: those of the service; None counts nothing.
    """

    def __init__(self, tokens: Tokens | None = None, meters: Meters | None = None) -> None:
        self._tokens = tokens
        self._throttles: dict[tuple[str, str], Throttle] = {}
        counted = meters or Meters("taxon", CollectorRegistry())
        self._refused = counted.counter("access_refused", "Calls refused for who called", "door", "reason")
        for server in SERVERS:
            for reason in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
                self._refused.labels(server, reason)

    @property
    def asks(self) -> bool:
        """True where callers need a token."""
        return self._tokens is not None

    @property
    def entries(self) -> tuple[TokenEntry, ...]:
        """The tokens that hold now."""
        return () if self._tokens is None else self._tokens.entries

    def caller(self, authorization: str | None, call: Call) -> Caller:
        """Return the caller that shows this header; raises Unauthenticated, which is counted."""
        if self._tokens is None:
            return Caller(self, call, None)
        token = token_of(authorization or "")
        if not 0 < len(token) <= LONGEST_TOKEN or not token.isascii():
            raise self.refused(call, Unauthenticated(ASKED))
        caller = Caller(self, call, digest_of(token))
        caller.check()
        return caller

    def grant_of(self, digest: bytes | None) -> Grant | None:
        """Return what a token's digest allows now."""
        if self._tokens is None or digest is None:
            return ANYBODY if self._tokens is None else None
        entry = self._tokens.find(digest)
        return None if entry is None else entry.grant

    def refused(self, call: Call, error: RequestError, name: str = "") -> RequestError:
        """Count a refusal, log it now and then, and return the error to be raised."""
        reason = status_of(error).reason
        self._refused.labels(call.server, reason).inc()
        throttle = self._throttles.setdefault((call.server, reason), Throttle(TOLD_SECONDS))
        if throttle.due():
            log.warning(
                "call refused",
                door=call.server,
                call=call.what[:128],
                peer=call.peer[:128],
                reason=reason,
                token_name=name,
                detail=str(error),
                times=throttle.times,
            )
        return error


def scheme_of(authorization: str) -> str:
    """Return the scheme of an Authorization header, in lower case."""
    return authorization.partition(" ")[0].lower()


def token_of(authorization: str) -> str:
    """Return the token that an Authorization header shows; an empty text for none.

    Cameras that know no tokens show it as the password of HTTP basic authentication, under any user's name.
    """
    scheme, shown = scheme_of(authorization), authorization.partition(" ")[2].strip()
    if scheme == BEARER:
        return shown
    if scheme != BASIC or len(shown) > LONGEST_BASIC:
        return ""
    try:
        # Some cameras leave the padding out. A user's name may be in any character set, and a token is ASCII in all.
        login = base64.b64decode(shown + "=" * (-len(shown) % 4), validate=True).decode("latin-1")
    except ValueError:
        return ""
    return login.partition(":")[2].strip()


class Caller:
    """The caller of one call, as long as the call lasts. digest: of its token; None where the service asks for none."""

    def __init__(self, access: Access, call: Call, digest: bytes | None) -> None:
        self._access = access
        self._call = call
        self._digest = digest
        self._seen: tuple[TokenEntry, ...] | None = None
        self._grant = ANYBODY

    @property
    def name(self) -> str:
        """The token's name."""
        return self._grant.name

    def check(self) -> Grant:
        """Return what the token allows now; raises Unauthenticated where it does not hold or no longer holds."""
        if not self._access.asks:
            return ANYBODY
        if (entries := self._access.entries) is not self._seen:
            found = self._access.grant_of(self._digest)
            if found is None:
                error = Unauthenticated("this token is unknown here, or was taken back")
                raise self._access.refused(self._call, error, "" if self._seen is None else self._grant.name)
            self._seen, self._grant = entries, found
        return self._grant

    def require(self, action: Action, camera_id: str | None = None) -> None:
        """Raise Unauthenticated or NotAllowed, counted, without this right. camera_id: None where any camera will do."""
        grant = self.check()
        if not grant.allows(action, camera_id):
            what = str(action) if camera_id is None else f"{action}:{camera_id[:64]}"
            raise self._access.refused(self._call, NotAllowed(grant.name, what), grant.name)

    def require_every(self, action: Action) -> None:
        """Raise Unauthenticated, or NotAllowed where the right is not for all cameras."""
        grant = self.check()
        if not grant.allows_every(action):
            raise self._access.refused(self._call, NotAllowed(grant.name, f"{action}:*"), grant.name)

    @property
    def shows_token(self) -> bool:
        """Return whether the caller showed a token, because the service asks for one."""
        return self._digest is not None

    def has(self, action: Action) -> bool:
        """Return True with this right on any camera at all, and refuse nothing without it; raises Unauthenticated."""
        return self.check().allows(action)

    def may(self, action: Action, camera_id: str) -> bool:
        """Return True with this right, and refuse nothing without it; raises Unauthenticated."""
        return self.check().allows(action, camera_id)

    def permitted(self, action: Action, camera_ids: Iterable[str]) -> tuple[str, ...]:
        """Return those of the cameras that the caller may know of; raises Unauthenticated."""
        return tuple(camera_id for camera_id in camera_ids if self.may(action, camera_id))

    async def asked_again(self, still: Callable[[], None]) -> NoReturn:
        """Call `still` after every change of the tokens, until it raises; for streams on which nothing may come for hours."""
        seen = self._access.entries
        while True:
            await asyncio.sleep(ASKED_AGAIN_SECONDS)
            if (entries := self._access.entries) is not seen:
                seen = entries
                still()

    def refused(self, what: str) -> RequestError:
        """Return a counted NotAllowed, to be raised, for something that no scope names."""
        return self._access.refused(self._call, NotAllowed(self.name, what), self.name)


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
