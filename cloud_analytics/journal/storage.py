"""Where a cloud keeps its frames and wishes, and what it shares with its other replicas.

    local.storage.LocalStorage         a journal in the data folder; there are no other replicas
    jetstream.storage.StreamStorage    streams and buckets of NATS that all replicas share

A start calls `open`, makes the parts of the service, and then calls `join`. A stop calls `close` once nothing is
published any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from cloud_analytics.journal.frame_log import FrameLog
from cloud_analytics.journal.replicas import Replicas
from cloud_analytics.journal.wish_store import WishStore
from shared.contract.wishes import SubscriberWish
from shared.server.supervisor import Supervisor


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
