"""A result's pixels lie where they were in the camera's picture."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.geometry import Frame, Geometry

sides = st.integers(1, 8000)
geometries = st.builds(Geometry, sides, sides, sides, sides)


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
