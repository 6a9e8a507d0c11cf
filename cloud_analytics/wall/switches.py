"""The page's switches: the tasks that it can show, and the subscriptions that serve what is switched on.

    the cloud's bundles --wall_tasks--> WallTask, a switch each
    Wants (the switches that are on) --plan--> Plan (tasks of all cameras, further tasks of single ones)

A wish for all cameras also holds for cameras that appear later. So it carries the tasks that every camera is to have,
new ones included; a task that only some cameras are to have goes into wishes that name them.
Law: for every known camera the two kinds of wishes together ask for exactly what its switches say, and for no task twice.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import numpy as np

from cloud_analytics.rendering.pictures import class_colour
from shared.contract.descriptions import BundleInfo, TaskInfo
from shared.model.tasks import TASKS

Tasks = frozenset[str]


@dataclass(frozen=True)
class ClassColour:
    """A class of a dense task of class ids. colour: its colour in the task's pictures, "#rrggbb"."""

    label: str
    colour: str


@dataclass(frozen=True)
class WallTask:
    """A task that can be switched on. is_dense: True for pictures, False for classes with probabilities."""

    name: str
    group: str
    is_dense: bool
    legend: tuple[ClassColour, ...] = ()


def wall_tasks(bundles: Iterable[BundleInfo]) -> tuple[WallTask, ...]:
    """Return every task of every bundle once: those of `shared.model.tasks` in their order, then the overlays' by name."""
    found: dict[str, WallTask] = {}
    for bundle in bundles:
        for task in bundle.tasks:
            found.setdefault(task.name, _wall_task(task))
    order = [task.name for task in TASKS if task.name in found]
    return tuple(found[name] for name in [*order, *sorted(found.keys() - set(order))])


def _wall_task(task: TaskInfo) -> WallTask:
    labels = task.labels if task.is_dense and np.dtype(task.dtype).kind in "iu" else ()
    legend = tuple(ClassColour(label, "#{:02x}{:02x}{:02x}".format(*class_colour(i))) for i, label in enumerate(labels))
    return WallTask(task.name, task.group, task.is_dense, legend)


@dataclass(frozen=True)
class Wants:
    """The switches that are on: tasks by camera id, and the tasks for cameras that the page has not seen yet."""

    of_new_cameras: Tasks = frozenset()
    of_cameras: Mapping[str, Tasks] = field(default_factory=dict)

    def of(self, camera_id: str) -> Tasks:
        """Return the tasks that are switched on for one camera."""
        return self.of_cameras.get(camera_id, self.of_new_cameras)


@dataclass(frozen=True)
class Plan:
    """The subscriptions of a page. of_all: tasks of every camera. of_single: further tasks of some cameras, never empty."""

    of_all: Tasks
    of_single: Mapping[str, Tasks]


def plan(wants: Wants, cameras: Iterable[str], offered: Tasks) -> Plan:
    """Return the subscriptions that serve `wants` with the fewest wishes. offered: the tasks that the cloud has."""
    of_cameras = {camera: wants.of(camera) & offered for camera in cameras}
    of_all = (wants.of_new_cameras & offered).intersection(*of_cameras.values())
    return Plan(of_all, {camera: tasks - of_all for camera, tasks in of_cameras.items() if tasks > of_all})
