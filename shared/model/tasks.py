"""The six vision tasks: what each returns, in which unit, and by which figures it is measured.

Law: this is the only list of tasks. The labels of a bundle (scenes, ImageNet classes) stand in its manifest. The 13 classes
of segmentation are fixed here, since its colours and its background rest on them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared.errors import UnknownName


class Group(StrEnum):
    """A set of tasks that share one substream (paper 4.4, the Trinity groups); the value is its name in bundles."""

    SEMANTIC = "semantic"
    GEOMETRY = "geometry"


@dataclass(frozen=True)
class Task:
    """One task. The shape is that of a batch: N frames, the network's input H x W.

    name: the name in bundles. title: the name that a reader is shown, in lower case. dtype: a numpy type's name.
    unit: "1" for a pure number, "" for a class id. metrics: the names of its figures; the first is the one that counts.
    value_range: the least and the greatest value, where the L1 error measures the task.
    """

    name: str
    title: str
    group: Group
    shape: tuple[str | int, ...]
    dtype: str
    unit: str
    metrics: tuple[str, ...]
    value_range: tuple[float, float] | None = None

    @property
    def is_dense(self) -> bool:
        """True where there is a result for each pixel."""
        return "H" in self.shape

    @property
    def outputs(self) -> int:
        """The number of values that a network gives for each frame or pixel: classes, or channels."""
        side = self.shape[1]
        return side if isinstance(side, int) else len(SEGMENTATION_LABELS)


SEGMENTATION_LABELS = (
    "bed",
    "books",
    "ceiling",
    "chair",
    "floor",
    "furniture",
    "objects",
    "picture",
    "sofa",
    "table",
    "tv",
    "wall",
    "window",
)
"""The classes of segment_semantic, by class id."""

SEGMENTATION_BACKGROUND = tuple(SEGMENTATION_LABELS.index(name) for name in ("wall", "floor", "ceiling"))
"""The class ids that non_background_accuracy leaves out."""

TASKS = (
    Task("class_scene", "scene class", Group.SEMANTIC, ("N", 10), "float32", "1", ("top1",)),
    Task("class_object", "object class", Group.SEMANTIC, ("N", 1000), "float32", "1", ("top1",)),
    Task(
        "segment_semantic",
        "semantic segmentation",
        Group.SEMANTIC,
        ("N", "H", "W"),
        "uint8",
        "",
        ("miou", "pixel_accuracy", "non_background_accuracy"),
    ),
    Task(
        "normal",
        "surface normals",
        Group.GEOMETRY,
        ("N", 3, "H", "W"),
        "float32",
        "1",
        ("mean_angular_error_degrees",),
    ),
    Task("reshading", "reshading", Group.GEOMETRY, ("N", 1, "H", "W"), "float32", "1", ("l1",), (0.0, 1.0)),
    Task(
        "principal_curvature",
        "principal curvature",
        Group.GEOMETRY,
        ("N", 2, "H", "W"),
        "float32",
        "1/r_min",
        ("l1",),
        (-1.0, 1.0),
    ),
)
"""All tasks, in the order of docs/format.md."""

CLASS_TASKS = tuple(task.name for task in TASKS if not task.is_dense)
"""The names of the tasks that name one class of the whole frame."""

TASKS_OF_GROUP: Mapping[str, tuple[str, ...]] = {
    group.value: tuple(task.name for task in TASKS if task.group is group) for group in Group
}
"""The names of each group's tasks."""


def task_named(name: str) -> Task:
    """Return the task of that name; raises UnknownName."""
    for task in TASKS:
        if task.name == name:
            return task
    raise UnknownName("task", name, (task.name for task in TASKS))
