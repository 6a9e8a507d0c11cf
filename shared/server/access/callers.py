"""Who calls, and whether they may: the one place where both doors of a service ask.

    "Bearer txn_..." --Access.caller--> Caller --require(SUBSCRIBE, "hall")--> nothing, or NotAllowed

Laws: a caller is asked again with every frame, and whenever the tokens change, so that a token that is taken out of the file ends
its streams too, also those on which nothing comes; what is refused is counted by its reason and told of now and then, with the
token's name at most.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NoReturn

from prometheus_client import CollectorRegistry

from shared.errors import NotAllowed, RequestError, Unauthenticated
from shared.server.access.scopes import ANYBODY, Action, Grant
from shared.server.access.token_file import LONGEST_TOKEN, Entry, Tokens, digest_of
from shared.telemetry.logs import Throttle, logger
from shared.telemetry.metrics import Meters
from shared.transport.status_codes import status_of

log = logger("access")
HEADER = "authorization"
TOLD_SECONDS = 10.0
ASKED_AGAIN_SECONDS = 1.0
DOORS = ("rpc", "http")


@dataclass(frozen=True)
class Call:
    """What is asked for, for the log. door: `rpc` or `http`. what: a method or path. peer: where from."""

    door: str
    what: str
    peer: str


class Access:
    """tokens: None lets everybody do everything. meters: those of the service; None counts for nobody."""

    def __init__(self, tokens: Tokens | None = None, meters: Meters | None = None) -> None:
        self._tokens = tokens
        self._throttles: dict[tuple[str, str], Throttle] = {}
        counted = meters or Meters("taxon", CollectorRegistry())
        self._refused = counted.counter("access_refused", "Calls refused for who called", "door", "reason")
        for door in DOORS:
            for reason in ("UNAUTHENTICATED", "PERMISSION_DENIED"):
                self._refused.labels(door, reason)

    @property
    def asks(self) -> bool:
        """Whether there are tokens at all."""
        return self._tokens is not None

    @property
    def entries(self) -> tuple[Entry, ...]:
        """The tokens that hold now."""
        return () if self._tokens is None else self._tokens.entries

    def caller(self, authorization: str | None, call: Call) -> Caller:
        """Who shows this header; raises Unauthenticated, counted."""
        if self._tokens is None:
            return Caller(self, call, None)
        scheme, _, token = (authorization or "").partition(" ")
        token = token.strip()
        if scheme.lower() != "bearer" or not 0 < len(token) <= LONGEST_TOKEN or not token.isascii():
            raise self.refused(call, Unauthenticated("this service asks for a token: Authorization: Bearer TOKEN"))
        caller = Caller(self, call, digest_of(token))
        caller.check()
        return caller

    def grant_of(self, digest: bytes | None) -> Grant | None:
        """What a token's digest allows now."""
        if self._tokens is None or digest is None:
            return ANYBODY if self._tokens is None else None
        entry = self._tokens.find(digest)
        return None if entry is None else entry.grant

    def refused(self, call: Call, error: RequestError, name: str = "") -> RequestError:
        """Counts and tells; gives the error back, to be raised."""
        reason = status_of(error).reason
        self._refused.labels(call.door, reason).inc()
        throttle = self._throttles.setdefault((call.door, reason), Throttle(TOLD_SECONDS))
        if throttle.due():
            log.warning(
                "call refused",
                door=call.door,
                call=call.what[:128],
                peer=call.peer[:128],
                reason=reason,
                token_name=name,
                detail=str(error),
                times=throttle.times,
            )
        return error


class Caller:
    """One call's caller, for as long as the call lasts. digest: of its token; None where the service asks for none."""

    def __init__(self, access: Access, call: Call, digest: bytes | None) -> None:
        self._access = access
        self._call = call
        self._digest = digest
        self._seen: tuple[Entry, ...] | None = None
        self._grant = ANYBODY

    @property
    def name(self) -> str:
        """The token's name."""
        return self._grant.name

    def check(self) -> Grant:
        """What the token allows now; raises Unauthenticated where it does not hold (any more)."""
        if not self._access.asks:
            return ANYBODY
        if (entries := self._access.entries) is not self._seen:
            found = self._access.grant_of(self._digest)
            if found is None:
                raise self._access.refused(
                    self._call, Unauthenticated("this token is unknown here, or was taken back"), self._grant_name
                )
            self._seen, self._grant = entries, found
        return self._grant

    def require(self, action: Action, camera_id: str | None = None) -> None:
        """Raises Unauthenticated or NotAllowed, counted. camera_id: None where any camera will do."""
        grant = self.check()
        if not grant.allows(action, camera_id):
            what = str(action) if camera_id is None else f"{action}:{camera_id[:64]}"
            raise self._access.refused(self._call, NotAllowed(grant.name, what), grant.name)

    def require_every(self, action: Action) -> None:
        """Raises Unauthenticated, or NotAllowed where it may not for all cameras."""
        grant = self.check()
        if not grant.allows_every(action):
            raise self._access.refused(self._call, NotAllowed(grant.name, f"{action}:*"), grant.name)

    def may(self, action: Action, camera_id: str) -> bool:
        """Whether it may, without a refusal; raises Unauthenticated."""
        return self.check().allows(action, camera_id)

    def permitted(self, action: Action, camera_ids: Iterable[str]) -> tuple[str, ...]:
        """Those of the cameras that it may know of; raises Unauthenticated."""
        return tuple(camera_id for camera_id in camera_ids if self.may(action, camera_id))

    async def asked_again(self, still: Callable[[], None]) -> NoReturn:
        """Calls this after every change of the tokens, until it raises. For streams on which nothing may come for hours."""
        seen = self._access.entries
        while True:
            await asyncio.sleep(ASKED_AGAIN_SECONDS)
            if (entries := self._access.entries) is not seen:
                seen = entries
                still()

    def refused(self, what: str) -> RequestError:
        """NotAllowed for something that no scope is of, counted; to be raised."""
        return self._access.refused(self._call, NotAllowed(self.name, what), self.name)

    @property
    def _grant_name(self) -> str:
        return "" if self._seen is None else self._grant.name
