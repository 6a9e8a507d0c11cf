from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.geometry import Frame, Geometry
from shared.errors import UnknownName
from shared.model.tasks import SEGMENTATION_BACKGROUND, SEGMENTATION_LABELS, TASKS, Group, task_named

sides = st.integers(1, 8000)
geometries = st.builds(Geometry, sides, sides, sides, sides)


def test_the_six_tasks_and_their_groups() -> None:
    assert [task.name for task in TASKS if task.group is Group.SEMANTIC] == [
        "class_scene",
        "class_object",
        "segment_semantic",
    ]
    assert [task.name for task in TASKS if task.group is Group.GEOMETRY] == [
        "normal",
        "reshading",
        "principal_curvature",
    ]
    assert [task.name for task in TASKS if not task.is_dense] == ["class_scene", "class_object"]


def test_segmentations_labels_are_in_the_formats_order() -> None:
    assert len(SEGMENTATION_LABELS) == 13
    assert list(SEGMENTATION_LABELS) == sorted(SEGMENTATION_LABELS)
    assert [SEGMENTATION_LABELS[i] for i in SEGMENTATION_BACKGROUND] == ["wall", "floor", "ceiling"]


def test_an_unknown_task_is_refused() -> None:
    assert task_named("normal").shape == ("N", 3, "H", "W")
    with pytest.raises(UnknownName, match="unknown task depth; choose one of: class_scene, "):
        task_named("depth")


@given(geometries)
def test_corners_map_to_corners(geometry: Geometry) -> None:
    assert geometry.to_picture(-0.5, -0.5) == pytest.approx((-0.5, -0.5))
    corner = geometry.to_picture(geometry.input_width - 0.5, geometry.input_height - 0.5)
    assert corner == pytest.approx((geometry.picture_width - 0.5, geometry.picture_height - 0.5))


@given(geometries, st.floats(0, 8000), st.floats(0, 8000))
def test_to_input_undoes_to_picture(geometry: Geometry, column: float, row: float) -> None:
    assert geometry.to_input(*geometry.to_picture(column, row)) == pytest.approx((column, row), abs=1e-6)


def test_a_frame_has_the_size_that_its_geometry_says() -> None:
    geometry = Geometry(640, 480, 32, 16)
    assert Frame(np.zeros((16, 32, 3), np.uint8), geometry).geometry is geometry
    for pixels in (np.zeros((32, 16, 3), np.uint8), np.zeros((16, 32, 3), np.float32)):
        with pytest.raises(ValueError, match="pixels must be uint8"):
            Frame(pixels, geometry)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="at least one pixel"):
        Geometry(0, 480, 32, 16)
