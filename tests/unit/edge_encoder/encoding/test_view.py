"""A view is read as it was written, or refused: it is never taken for the whole picture by mistake."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_encoder.encoding.view import MOST_MASKS, MOST_POINTS, WHOLE_PICTURE, View
from shared.contract.geometry import Crop
from shared.errors import BadRequest, ViewNotApplied

TRIANGLE = [[0.0, 0.0], [0.5, 0.0], [0.0, 0.5]]
fractions = st.floats(-2, 2)
polygons = st.lists(st.tuples(fractions, fractions), min_size=3, max_size=MOST_POINTS).map(tuple)


@st.composite
def views(draw: st.DrawFn) -> View:
    x, y = draw(st.floats(0, 0.9)), draw(st.floats(0, 0.9))
    crop = (x, y, draw(st.floats(0.01, 1 - x)), draw(st.floats(0.01, 1 - y)))
    return View(draw(st.sampled_from([None, crop])), tuple(draw(st.lists(polygons, max_size=3))))


@given(views())
def test_what_is_written_is_read_again(view: View) -> None:
    assert View.read(json.loads(json.dumps(view.document()))) == view


def test_it_is_read_from_toml() -> None:
    text = "[hall]\ncrop = [0.25, 0, 0.5, 1]\nmasks = [[[0, 0], [0.5, 0], [0, 0.5]]]\n"
    view = View.read(tomllib.loads(text)["hall"])
    assert view == View((0.25, 0.0, 0.5, 1.0), (((0.0, 0.0), (0.5, 0.0), (0.0, 0.5)),))


def test_pixels_are_taken_with_the_size_that_they_refer_to() -> None:
    pixels = {"size": [640, 480], "crop": [160, 0, 320, 480], "masks": [[[0, 0], [320, 0], [0, 240]]]}
    assert View.read(pixels) == View.read({"crop": [0.25, 0, 0.5, 1], "masks": [TRIANGLE]})


@pytest.mark.parametrize("nothing", [None, {}, {"crop": None, "masks": []}])
def test_a_view_that_says_nothing_is_the_whole_picture(nothing: object) -> None:
    assert View.read(nothing) == WHOLE_PICTURE


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("whole", "a view is a table"),
        ({"mask": [TRIANGLE]}, "no mask"),
        ({"masks": TRIANGLE}, "mask 1 must be"),
        ({"masks": [TRIANGLE[:2]]}, "mask 1 has 2 points"),
        ({"masks": [TRIANGLE, [*TRIANGLE, [0.1]]]}, "mask 2 must be"),
        ({"masks": [TRIANGLE, [*TRIANGLE, [0.1, "a"]]]}, "mask 2 must be"),
        ({"masks": [TRIANGLE, [*TRIANGLE, [0.1, True]]]}, "mask 2 must be"),
        ({"masks": [TRIANGLE, [*TRIANGLE, [0.1, float("nan")]]]}, "mask 2 must be"),
        ({"masks": [[[0, 0], [10**400, 0], [0, 1]]]}, "mask 1 must be"),
        ({"masks": [[[0, 0], [640, 0], [0, 480]]]}, "far outside of the picture.*add size"),
        ({"masks": [TRIANGLE] * (MOST_MASKS + 1)}, f"at most {MOST_MASKS} masks"),
        ({"masks": [TRIANGLE * MOST_POINTS]}, f"3 to {MOST_POINTS}"),
        ({"masks": "all"}, "masks must be a list"),
        ({"masks": None}, "masks must be a list"),
        ({"crop": [0.5, 0, 0.6, 1]}, "lies within it"),
        ({"crop": [0, 0, 0, 1]}, "lies within it"),
        ({"crop": [0, 0, 5e-324, 1]}, "lies within it"),
        ({"crop": [-0.1, 0, 0.5, 1]}, "lies within it"),
        ({"crop": [0, 0, 320, 240]}, "for pixels, add size"),
        ({"crop": [0, 0, 1]}, "crop must be"),
        ({"size": [0, 480], "crop": [0, 0, 1, 1]}, "both above 0"),
    ],
)
def test_what_cannot_be_a_view_is_refused_with_the_reason(given: Any, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        View.read(given)


@given(views(), st.integers(16, 4000), st.integers(16, 4000))
def test_a_crop_lies_within_what_was_drawn_and_is_not_silently_the_whole_picture(
    view: View, width: int, height: int
) -> None:
    try:
        found = view.crop_of(width, height)
    except ViewNotApplied:
        assert view.crop is not None
        assert min(view.crop[2] * width, view.crop[3] * height) < 18
        return
    x, y, across, down = view.crop or (0.0, 0.0, 1.0, 1.0)
    part = found or Crop(0, 0, width, height)
    assert x * width - 1e-5 <= part.x <= x * width + 1 + 1e-5
    assert (x + across) * width - 1 - 1e-5 <= part.x + part.width <= (x + across) * width + 1e-5
    assert y * height - 1e-5 <= part.y <= y * height + 1 + 1e-5
    assert (y + down) * height - 1 - 1e-5 <= part.y + part.height <= (y + down) * height + 1e-5


@given(st.integers(1, 100), st.integers(16, 4000))
def test_a_crop_in_pixels_is_that_crop(left: int, width: int) -> None:
    size = 4000 + left
    view = View.read({"size": [size, size], "crop": [left, 0, width, size]})
    assert view.crop_of(size, size) == Crop(left, 0, width, size)


def test_too_small_a_crop_of_this_picture_says_so() -> None:
    with pytest.raises(ViewNotApplied, match=r"the crop has 8x200 pixels of this 80x200 picture.*at least 16"):
        View((0.5, 0.0, 0.1, 1.0)).crop_of(80, 200)


def test_a_picture_is_decoded_large_enough_for_its_crop() -> None:
    assert View().least_side(256) == 256
    assert View((0.0, 0.0, 0.5, 0.25)).least_side(256) == 1024
