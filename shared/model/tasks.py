"""The six vision tasks: what each returns, in which unit, and by which figures it is measured.

Law: this is the only list of tasks. Labels of a particular bundle (scenes, ImageNet classes) stand in its manifest;
the 13 classes of segmentation are fixed here, since its colours and its background rest on them.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.errors import UnknownName


class Group(StrEnum):
    """Tasks that share one substream (paper 4.4, the Trinity groups); the value is its name in bundles."""

    SEMANTIC = "semantic"
    GEOMETRY = "geometry"


@dataclass(frozen=True)
class Task:
    """One task. Shapes are those of a batch: N frames, the network's input H x W.

    name: as in the bundle. dtype: a numpy type's name. unit: "1" is a pure number, "" a class id.
    metrics: names of its figures, the first one the one that counts.
    """

    name: str
    group: Group
    shape: tuple[str | int, ...]
    dtype: str
    unit: str
    metrics: tuple[str, ...]

    @property
    def is_dense(self) -> bool:
        """Whether there is a result for each pixel."""
        return "H" in self.shape


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
"""Class id i of segment_semantic is entry i."""

SEGMENTATION_BACKGROUND = tuple(SEGMENTATION_LABELS.index(name) for name in ("wall", "floor", "ceiling"))
"""Class ids that non_background_accuracy leaves out."""

TASKS = (
    Task("class_scene", Group.SEMANTIC, ("N", 10), "float32", "1", ("top1",)),
    Task("class_object", Group.SEMANTIC, ("N", 1000), "float32", "1", ("top1",)),
    Task(
        "segment_semantic",
        Group.SEMANTIC,
        ("N", "H", "W"),
        "uint8",
        "",
        ("miou", "pixel_accuracy", "non_background_accuracy"),
    ),
    Task("normal", Group.GEOMETRY, ("N", 3, "H", "W"), "float32", "1", ("mean_angular_error_degrees",)),
    Task("reshading", Group.GEOMETRY, ("N", 1, "H", "W"), "float32", "1", ("l1",)),
    Task("principal_curvature", Group.GEOMETRY, ("N", 2, "H", "W"), "float32", "1/r_min", ("l1",)),
)
"""In the order of docs/format.md."""


def task_named(name: str) -> Task:
    """The task of that name; raises UnknownName."""
    for task in TASKS:
        if task.name == name:
            return task
    raise UnknownName("task", name, (task.name for task in TASKS))
