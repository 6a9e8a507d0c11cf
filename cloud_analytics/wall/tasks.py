"""The tasks that the page can show: what the cloud offers, with the colours of their classes.

the cloud's description of its bundles --wall_tasks--> WallTask, in the order of `shared.model.tasks`, overlays after them
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from cloud_analytics.frames import BundleState, ServedTask
from cloud_analytics.rendering.pictures import class_colour
from shared.model.tasks import TASKS


@dataclass(frozen=True)
class LegendEntry:
    """A class of a dense task of class ids. colour: as in its pictures, "#rrggbb"."""

    label: str
    colour: str


@dataclass(frozen=True)
class WallTask:
    """A task that can be switched on. is_dense: a picture, else classes with probabilities."""

    name: str
    group: str
    is_dense: bool
    legend: tuple[LegendEntry, ...] = ()


def wall_tasks(bundles: Iterable[BundleState]) -> tuple[WallTask, ...]:
    """Every task of every bundle, each once: those of `shared.model.tasks` in that order, then the overlays' by name."""
    found: dict[str, WallTask] = {}
    for bundle in bundles:
        for task in bundle.tasks:
            found.setdefault(task.name, _wall_task(task))
    order = [task.name for task in TASKS if task.name in found]
    return tuple(found[name] for name in [*order, *sorted(found.keys() - set(order))])


def _wall_task(task: ServedTask) -> WallTask:
    labels = task.labels if task.is_dense and np.dtype(task.dtype).kind in "iu" else ()
    legend = tuple(LegendEntry(label, "#{:02x}{:02x}{:02x}".format(*class_colour(i))) for i, label in enumerate(labels))
    return WallTask(task.name, task.group, task.is_dense, legend)
