"""The one list of tasks, and what follows from it."""

from __future__ import annotations

import pytest

from shared.errors import UnknownName
from shared.model.tasks import (
    CLASS_TASKS,
    SEGMENTATION_BACKGROUND,
    SEGMENTATION_LABELS,
    TASKS,
    TASKS_OF_GROUP,
    task_named,
)


def test_the_six_tasks_and_their_groups() -> None:
    assert TASKS_OF_GROUP == {
        "semantic": ("class_scene", "class_object", "segment_semantic"),
        "geometry": ("normal", "reshading", "principal_curvature"),
    }
    assert CLASS_TASKS == ("class_scene", "class_object")


def test_a_network_gives_a_value_for_each_class_or_channel() -> None:
    assert [task.outputs for task in TASKS] == [10, 1000, 13, 3, 1, 2]


def test_a_task_that_its_l1_measures_says_its_range() -> None:
    ranges = {task.name: task.value_range for task in TASKS if task.value_range is not None}
    assert ranges == {"reshading": (0.0, 1.0), "principal_curvature": (-1.0, 1.0)}
    assert set(ranges) == {task.name for task in TASKS if "l1" in task.metrics}


def test_segmentations_labels_are_in_the_formats_order() -> None:
    assert len(SEGMENTATION_LABELS) == 13
    assert list(SEGMENTATION_LABELS) == sorted(SEGMENTATION_LABELS)
    assert [SEGMENTATION_LABELS[i] for i in SEGMENTATION_BACKGROUND] == ["wall", "floor", "ceiling"]


def test_an_unknown_task_is_refused() -> None:
    assert task_named("normal").shape == ("N", 3, "H", "W")
    with pytest.raises(UnknownName, match="unknown task depth; choose one of: class_scene, "):
        task_named("depth")
