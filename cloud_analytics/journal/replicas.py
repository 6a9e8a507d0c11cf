"""What one replica of this cloud knows of the others: which cameras they have, and from which edges.

Law: a cloud that is alone has no other replicas, so that it decides everything by itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol

from typing_extensions import override

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
    """A cloud that is alone: there are no other replicas."""

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
