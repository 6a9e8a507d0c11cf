"""What one wall wants, as subscriptions: one for all cameras, and one more for each camera that wants more than all do.

    Wants (the page's switches) --plan--> Plan (tasks of all cameras, further tasks of single ones)

A wish for all cameras also holds for those that appear later, so it carries what every camera is to have, the ones
to come included; what only some want goes into wishes that name them.
Law: of every known camera the two kinds of wishes together ask for exactly what its switches say, and no task twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

Tasks = frozenset[str]


@dataclass(frozen=True)
class Wants:
    """The page's switches: tasks by camera id, and of the cameras that it has not seen yet."""

    of_new_cameras: Tasks = frozenset()
    of_cameras: Mapping[str, Tasks] = field(default_factory=dict)

    def of(self, camera_id: str) -> Tasks:
        """What is wanted of one camera."""
        return self.of_cameras.get(camera_id, self.of_new_cameras)


@dataclass(frozen=True)
class Plan:
    """of_all: tasks wanted of every camera. of_single: what some cameras are to give beyond them; none is empty."""

    of_all: Tasks
    of_single: Mapping[str, Tasks]


def plan(wants: Wants, cameras: Iterable[str], offered: Tasks) -> Plan:
    """The subscriptions that serve `wants` with the fewest wishes. offered: the tasks that there are."""
    of_cameras = {camera: wants.of(camera) & offered for camera in cameras}
    of_all = (wants.of_new_cameras & offered).intersection(*of_cameras.values())
    return Plan(of_all, {camera: tasks - of_all for camera, tasks in of_cameras.items() if tasks > of_all})
