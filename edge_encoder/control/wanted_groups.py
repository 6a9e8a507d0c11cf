"""The task groups that are worth coding: those that the cloud last said somebody wants, and those pinned here.

    Wanted (from the uplink, or kept in the spool) --replace--> groups_for(camera) -> the groups to code

Groups that this bundle does not have are passed over, because the cloud may serve several bundles.

Law: no wish, no bits. The last known wish holds until another comes.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

from google.protobuf.message import DecodeError

from shared.contract.packets import checked_name
from shared.errors import UnknownName
from shared.wire import uplink_pb2


class CurrentWish:
    """The groups to code of each camera's frames. groups: the bundle's, in its order.

    pinned: the groups that are always wanted, of every camera. Raises UnknownName.
    """

    def __init__(self, groups: Sequence[str], pinned: Collection[str] = ()) -> None:
        for name in pinned:
            if name not in groups:
                raise UnknownName("task group", name, groups)
        self._groups = tuple(groups)
        self._pinned = frozenset(pinned)
        self._of_all = self._ordered(self._pinned)
        self._of_camera: dict[str, tuple[str, ...]] = {}

    def groups_for(self, camera_id: str) -> tuple[str, ...]:
        """Return the groups to code of this camera's frames, in the bundle's order; none when nobody wants any."""
        return self._of_camera.get(camera_id, self._of_all)

    def replace(self, wanted: uplink_pb2.Wanted) -> None:
        """Let another wish hold from now on. Raises BadName."""
        of_all = self._pinned.union(wanted.groups_of_all)
        of_camera: dict[str, frozenset[str]] = {}
        for one in wanted.cameras:
            name = checked_name("camera", one.camera_id)
            # A camera may be listed more than once: its groups add up.
            of_camera[name] = of_camera.get(name, of_all).union(one.groups)
        self._of_all = self._ordered(of_all)
        self._of_camera = {name: self._ordered(groups) for name, groups in of_camera.items()}

    def _ordered(self, wanted: frozenset[str]) -> tuple[str, ...]:
        return tuple(name for name in self._groups if name in wanted)


def kept_wish(data: bytes | None) -> uplink_pb2.Wanted:
    """Return the wish as it was kept on disk; an empty one where there is none or it cannot be read."""
    try:
        return uplink_pb2.Wanted.FromString(data or b"")
    except DecodeError:
        return uplink_pb2.Wanted()
