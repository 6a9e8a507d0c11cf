"""The rights of a token, as they stand in a token file.

    "post:shop7-*,metrics" --read_scopes--> (Scope(POST, "shop7-*"), Scope(METRICS)) --> Grant.allows(POST, "shop7-door")

Law: nothing is allowed that no scope names; `admin` is every scope.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase

EVERY_CAMERA = "*"
_LIKE_A_TOKEN = "txn_"
"""The mark of a token that stands in the place of a scope by mistake; no log may show it."""
_PATTERN = re.compile(r"[A-Za-z0-9._*?-]{1,64}", re.ASCII)


class Action(StrEnum):
    """An action that can be granted. MANAGE: set, pause and remove a camera of an edge, its source among it.

    POST: give frames as a camera. SUBSCRIBE: get a camera's results. UPLINK: be an edge that sends a camera's
    bitstreams.
    """

    POST = "post"
    SUBSCRIBE = "subscribe"
    UPLINK = "uplink"
    MANAGE = "manage"
    METRICS = "metrics"
    ADMIN = "admin"


OF_CAMERAS = (Action.POST, Action.SUBSCRIBE, Action.UPLINK, Action.MANAGE)


@dataclass(frozen=True)
class Scope:
    """One action of the cameras that the pattern names (`*` any characters, `?` one). METRICS and ADMIN know no cameras."""

    action: Action
    cameras: str = EVERY_CAMERA

    def __str__(self) -> str:
        return f"{self.action}:{self.cameras}" if self.action in OF_CAMERAS else str(self.action)


@dataclass(frozen=True)
class Grant:
    """The rights of one token. name: the token's, for logs."""

    name: str
    scopes: tuple[Scope, ...]

    def allows(self, action: Action, camera_id: str | None = None) -> bool:
        """Return True for a right on this camera; without one, for a right on any camera at all."""
        return any(
            scope.action is Action.ADMIN
            or (scope.action is action and (camera_id is None or fnmatchcase(camera_id, scope.cameras)))
            for scope in self.scopes
        )

    def allows_every(self, action: Action) -> bool:
        """Return True for a right on all cameras, those to come included."""
        return any(
            scope.action is Action.ADMIN or (scope.action is action and scope.cameras == EVERY_CAMERA)
            for scope in self.scopes
        )


ANYBODY = Grant("anybody", (Scope(Action.ADMIN),))
"""The rights of every caller of a service that asks for no tokens."""


def read_scopes(text: str) -> tuple[Scope, ...]:
    """Read scopes with commas between them; raises ValueError."""
    return tuple(_scope(part.strip()) for part in text.split(","))


def _scope(text: str) -> Scope:
    name, colon, cameras = text.partition(":")
    if _LIKE_A_TOKEN in text:
        raise ValueError("a token stands where the scopes should")
    known = [str(action) for action in Action]
    if name not in known:
        raise ValueError(f"{text[:40]!r} is no scope; take one of: {', '.join(known)}")
    action = Action(name)
    if not colon:
        return Scope(action)
    if action not in OF_CAMERAS:
        raise ValueError(f"{name} is of the whole service and takes no cameras")
    if _PATTERN.fullmatch(cameras) is None:
        raise ValueError(f"{cameras[:40]!r} names no cameras; take 1 to 64 of the characters A-Z a-z 0-9 . _ - * ?")
    return Scope(action, cameras)
