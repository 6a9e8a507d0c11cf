"""Outputs as subscribers ask for them: smaller, as pictures, as classes."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from PIL import Image

from cloud_analytics.rendering.pictures import normal_picture, png, segmentation_picture
from cloud_analytics.rendering.render import Style, majority, reduced, rendered, smaller_size
from shared.contract.descriptions import TaskInfo
from shared.contract.results import ClassesResult, Encoding, PictureResult, TensorResult

NORMAL = TaskInfo("normal", "geometry", "3,H,W", "float32", "1")
SEGMENTS = TaskInfo("segment_semantic", "semantic", "H,W", "uint8", "")
SCENE = TaskInfo("class_scene", "semantic", "4", "float32", "1", ("attic", "bath", "cellar", "den"))
DEPTH = TaskInfo("depth", "geometry", "1,H,W", "float32", "m", overlay=True)
RANDOM = np.random.default_rng(5)


def style(encoding: Encoding = Encoding.TENSOR, side: int = 0, top: int = 5) -> Style:
    return Style(encoding, side, top)


def normals(height: int = 32, width: int = 48) -> np.ndarray:
    vectors = RANDOM.normal(size=(3, height, width)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=0)


@given(st.integers(1, 500), st.integers(1, 500), st.integers(0, 600))
def test_never_larger_and_the_longer_side_as_asked(height: int, width: int, side: int) -> None:
    small = smaller_size(height, width, side)
    assert 1 <= small[0] <= height
    assert 1 <= small[1] <= width
    assert max(small) == (max(height, width) if side == 0 else min(side, max(height, width)))


@given(
    arrays.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6)), elements=st.integers(0, 3)),
    st.integers(2, 4),
)
def test_a_whole_factor_down_keeps_the_most_frequent_id_of_each_block(blocks: np.ndarray, factor: int) -> None:
    ids = np.repeat(np.repeat(blocks, factor, 0), factor, 1)
    ids[::factor, ::factor] = 9  # one stray pixel a block
    height, width = blocks.shape
    assert np.array_equal(majority(ids, (height, width)), blocks)


def test_area_average_is_the_mean_of_the_block() -> None:
    values = RANDOM.random((2, 8, 8)).astype(np.float32)
    small = reduced("principal_curvature", values, 4)
    assert np.allclose(small, values.reshape(2, 4, 2, 4, 2).mean(axis=(2, 4)), atol=1e-6)
    assert small.dtype == np.float32


def test_smaller_normals_have_unit_length_also_where_opposites_cancel() -> None:
    small = reduced("normal", normals(), 12)
    assert small.shape == (3, 8, 12)
    assert np.allclose(np.linalg.norm(small, axis=0), 1, atol=1e-5)
    opposite = np.zeros((3, 2, 2), np.float32)
    opposite[0] = [[1, -1], [-1, 1]]
    assert reduced("normal", opposite, 1).ravel().tolist() == [0, 0, 1]


@pytest.mark.parametrize("side", [0, 48, 1000])
def test_at_full_size_nothing_changes(side: int) -> None:
    values = normals()
    output = rendered(NORMAL, values, style(side=side))
    assert isinstance(output, TensorResult)
    assert output.values is values


def test_a_picture_is_the_one_that_decode_draws() -> None:
    values, ids = normals(), RANDOM.integers(0, 13, (16, 16), np.uint8)
    assert rendered(NORMAL, values, style(Encoding.PNG)) == PictureResult("normal", png(normal_picture(values)), 48, 32)
    drawn = rendered(SEGMENTS, ids, style(Encoding.PNG))
    assert drawn == PictureResult("segment_semantic", png(segmentation_picture(ids)), 16, 16)


def test_classes_are_the_most_probable_first_whatever_the_encoding() -> None:
    values = np.array([0.1, 0.4, 0.1, 0.4], np.float32)
    for encoding in Encoding:
        output = rendered(SCENE, values, style(encoding, top=3))
        assert isinstance(output, ClassesResult)
        assert [(one.index, one.label) for one in output.classes] == [(1, "bath"), (3, "den"), (0, "attic")]
        assert output.classes[0].probability == pytest.approx(0.4)


def test_a_further_task_is_grey_over_its_range() -> None:
    values = np.linspace(2, 6, 16, dtype=np.float32).reshape(1, 4, 4)
    output = rendered(DEPTH, values, style(Encoding.PNG))
    assert isinstance(output, PictureResult)
    grey = np.asarray(Image.open(BytesIO(output.png)))
    assert grey.ravel().tolist() == [17 * step for step in range(16)]
    flat = rendered(DEPTH, np.full((1, 4, 4), np.nan, np.float32), style(Encoding.PNG))
    assert isinstance(flat, PictureResult), "an overlay's numbers may be anything"
