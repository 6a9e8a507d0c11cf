"""The conventions of the pictures that `decode` writes."""

from __future__ import annotations

from io import BytesIO

import numpy as np
from PIL import Image

from cloud_analytics.rendering.pictures import (
    PALETTE,
    class_colour,
    curvature_picture,
    normal_picture,
    png,
    reshading_picture,
    segmentation_ids,
    segmentation_picture,
    strong_curvature_picture,
)
from shared.model.tasks import SEGMENTATION_LABELS


def pixel(picture: Image.Image) -> list[int] | int:
    """Its channels; of a grey picture, its only one."""
    return np.asarray(picture)[0, 0].tolist()


def dense(*values: float) -> np.ndarray:
    return np.array(values, np.float32).reshape(-1, 1, 1)


def test_a_surface_that_faces_the_camera_is_light_blue() -> None:
    assert pixel(normal_picture(dense(0, 0, 1))) == [128, 128, 255]


def test_right_and_up_are_red_and_green() -> None:
    assert pixel(normal_picture(dense(1, 0, 0))) == [255, 128, 128]
    assert pixel(normal_picture(dense(0, 1, 0))) == [128, 255, 128]


def test_reshading_is_grey() -> None:
    picture = reshading_picture(dense(1))
    assert picture.mode == "L"
    assert pixel(picture) == 255


def test_the_strong_picture_keeps_flat_grey_and_shows_a_quarter_as_full() -> None:
    assert pixel(strong_curvature_picture(dense(0, 0))) == [128, 128, 128]
    assert pixel(strong_curvature_picture(dense(0.25, -0.25))) == [255, 0, 128]


def test_flat_is_mid_grey_and_curvatures_are_red_and_green() -> None:
    assert pixel(curvature_picture(dense(0, 0))) == [128, 128, 128]
    assert pixel(curvature_picture(dense(1, -1))) == [255, 0, 128]


def test_values_outside_their_range_are_clipped_not_wrapped() -> None:
    assert pixel(reshading_picture(dense(1.5))) == 255
    assert pixel(curvature_picture(dense(-9, 9))) == [0, 255, 128]


def test_segmentation_has_a_colour_a_class_and_the_ids_beside_it() -> None:
    ids = np.array([[0, 12]], np.uint8)
    assert np.asarray(segmentation_picture(ids))[0].tolist() == [list(PALETTE[0]), list(PALETTE[12])]
    assert np.array_equal(np.asarray(Image.open(BytesIO(png(segmentation_ids(ids))))), ids)


def test_every_class_has_a_colour_of_its_own() -> None:
    assert len(PALETTE) == len(SEGMENTATION_LABELS)
    assert len({class_colour(index) for index in range(40)}) == 40
