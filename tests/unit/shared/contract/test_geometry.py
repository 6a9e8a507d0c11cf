"""A result's pixels lie where they were in the camera's picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.geometry import Crop, Frame, Geometry

sides = st.integers(1, 8000)


@st.composite
def geometries(draw: st.DrawFn) -> Geometry:
    """Geometries with a crop and without one."""
    width, height = draw(sides), draw(sides)
    x, y = draw(st.integers(0, width - 1)), draw(st.integers(0, height - 1))
    crop = Crop(x, y, draw(st.integers(1, width - x)), draw(st.integers(1, height - y)))
    return Geometry(width, height, draw(sides), draw(sides), draw(st.sampled_from([None, crop])))


@given(geometries())
def test_the_corners_of_the_input_are_those_of_the_crop_or_of_the_picture(geometry: Geometry) -> None:
    part = geometry.crop or Crop(0, 0, geometry.picture_width, geometry.picture_height)
    assert geometry.to_picture(-0.5, -0.5) == pytest.approx((part.x - 0.5, part.y - 0.5))
    corner = geometry.to_picture(geometry.input_width - 0.5, geometry.input_height - 0.5)
    assert corner == pytest.approx((part.x + part.width - 0.5, part.y + part.height - 0.5))


@given(geometries(), st.floats(0, 8000), st.floats(0, 8000))
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


@pytest.mark.parametrize("crop", [Crop(0, 0, 0, 10), Crop(-1, 0, 10, 10), Crop(600, 0, 41, 10), Crop(0, 400, 10, 81)])
def test_a_crop_lies_within_its_picture(crop: Crop) -> None:
    with pytest.raises(ValueError, match="a crop"):
        Geometry(640, 480, 32, 16, crop)
