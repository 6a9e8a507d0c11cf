"""Where a cloud keeps its frames and wishes, and what it shares with its other replicas.

    local.storage.LocalStorage         a journal in the data folder; there are no other replicas
    jetstream.storage.StreamStorage    streams and buckets of NATS that all replicas share

A start calls `open`, makes the parts of the service, and then calls `join`. A stop calls `close` once nothing is
published any more.
Law: a wish is kept until it has expired or its subscriber has ended it, also where this process dies in between.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Protocol

from typing_extensions import override

from cloud_analytics.journal.frame_log import FrameLog
from shared.contract.wishes import SubscriberWish
from shared.server.supervisor import Supervisor

QUIET_SECONDS = 10.0
"""A camera may move to another edge when its edge has sent no frame of it for so long."""


class Replicas(Protocol):
    """The other replicas of this cloud."""

    @property
    def senders(self) -> Mapping[str, str]:
        """The edge of each camera that another living replica offers, by the camera's name."""

    def connected(self, edge_id: str) -> bool:
        """Return True where this edge is connected to another living replica."""

    def sending(self, camera_id: str) -> str | None:
        """Return the edge whose frames of this camera came by another replica in the last `QUIET_SECONDS`."""


class SingleReplica(Replicas):
    """No other replicas: a cloud that is alone decides everything by itself."""

    @property
    @override
    def senders(self) -> Mapping[str, str]:
        return MappingProxyType({})

    @override
    def connected(self, edge_id: str) -> bool:
        return False

    @override
    def sending(self, camera_id: str) -> str | None:
        return None


@dataclass(frozen=True)
class StoredWish:
    """A wish as it is kept.

    expires: the time when it expires, in seconds by `WishStore.now`; None while its subscriber is connected.
    """

    wish: SubscriberWish
    expires: float | None


class WishStore(Protocol):
    """A store of wishes."""

    def now(self) -> float:
        """Return the time by which wishes expire, in seconds. No setting of the time of day moves it."""

    def keeps(self, wish: SubscriberWish) -> bool:
        """Return True where the wish of a connected subscriber is worth keeping."""

    async def write(self, changes: Mapping[str, StoredWish | None]) -> None:
        """Remember or (None) forget wishes by subscription id, all of them or none. Raises WishesNotKept."""

    async def kept(self) -> tuple[StoredWish, ...]:
        """Return an earlier process's wishes that have not expired, each with its time; forget the others."""


@dataclass(frozen=True)
class Neighbours:
    """The calls by which this replica and the others tell each other what they have.

    put_others: is given the wishes of the other replicas' subscribers, by subscription id.
    own_senders: returns the edge of each camera that this replica's edges offer.
    taken: is given the id of a subscription that has moved to another replica.
    published: returns the last position that this replica's subscribers have.
    """

    put_others: Callable[[Mapping[str, SubscriberWish]], None]
    own_senders: Callable[[], Mapping[str, str]]
    taken: Callable[[str], None]
    published: Callable[[], int]


class Storage(Protocol):
    """The storage of one cloud process.

    frames: the log of all received frames, once the storage is open.
    wish_store: the place where wishes are kept, once the storage is open.
    replicas: the other replicas of this cloud, once the storage is open.
    supervisor: watches the work that the storage does by itself.
    """

    frames: FrameLog
    wish_store: WishStore
    replicas: Replicas
    supervisor: Supervisor

    @property
    def away_seconds(self) -> float:
        """For how long the storage has not been reached, in seconds; 0 while all is well."""

    async def open(self) -> None:
        """Open the storage. Raises TaxonError where it cannot be used."""

    def join(self, neighbours: Neighbours) -> None:
        """Begin to share with the other replicas."""

    async def close(self) -> None:
        """Leave the other replicas, and close the storage for good; do nothing where it is not open."""
