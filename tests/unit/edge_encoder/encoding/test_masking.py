"""A mask covers every pixel that its outline touches or encloses, and in whole blocks where a decoder mixes pixels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

from edge_encoder.encoding.blocks import Blocks
from edge_encoder.encoding.masking import GREY, enclosed, masked, masked_pixels
from edge_encoder.encoding.picture_file import DecodedPicture
from edge_encoder.encoding.view import Point

COLUMNS, ROWS, FINE = 24, 16, 5
EXACT = Blocks()
outlines = st.lists(st.tuples(st.floats(-30, 50), st.floats(-30, 40)), min_size=3, max_size=8)
"""Corners near the raster and far outside of it; most of such outlines cross themselves."""


def inside(outline: list[Point], x: NDArray[np.float64], y: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Whether points lie inside by the even-odd rule or by the non-zero rule."""
    crossings, turns = np.zeros(x.shape, int), np.zeros(x.shape, int)
    for (x0, y0), (x1, y1) in zip(outline, outline[1:] + outline[:1], strict=True):
        if y0 == y1:
            continue
        between = (y >= min(y0, y1)) & (y < max(y0, y1))
        right_of = x < x0 + (y - y0) / (y1 - y0) * (x1 - x0)
        crossings += between & right_of
        turns += np.where(between & right_of, 1 if y1 > y0 else -1, 0)
    return (crossings % 2 == 1) | (turns != 0)


@given(outlines)
def test_no_point_inside_of_an_outline_is_left_out(outline: list[Point]) -> None:
    cells = enclosed(outline, COLUMNS, ROWS)
    x, y = np.meshgrid((np.arange(COLUMNS * FINE) + 0.47) / FINE, (np.arange(ROWS * FINE) + 0.47) / FINE)
    left_out = inside(outline, x, y) & ~cells.repeat(FINE, axis=0).repeat(FINE, axis=1)
    assert not left_out.any()


@given(outlines)
def test_no_point_of_an_outline_itself_is_left_out(outline: list[Point]) -> None:
    cells = enclosed(outline, COLUMNS, ROWS)
    for (x0, y0), (x1, y1) in zip(outline, outline[1:] + outline[:1], strict=True):
        share = np.linspace(0, 1, 500)
        x, y = x0 + share * (x1 - x0), y0 + share * (y1 - y0)
        within = (x > 0) & (x < COLUMNS) & (y > 0) & (y < ROWS)
        # A point on the border of two cells may be in either.
        clear = within & (np.abs(x - np.round(x)) > 1e-5) & (np.abs(y - np.round(y)) > 1e-5)
        assert cells[y[clear].astype(int), x[clear].astype(int)].all()


@given(st.integers(0, 20), st.integers(0, 12), st.integers(1, 20), st.integers(1, 12))
def test_a_rectangle_on_cells_borders_masks_them_and_at_most_one_cell_more_at_its_end(
    x: int, y: int, width: int, height: int
) -> None:
    cells = enclosed([(x, y), (x + width, y), (x + width, y + height), (x, y + height)], COLUMNS, ROWS)
    assert cells[y : y + height, x : x + width].all()
    cells[y : y + height + 1, x : x + width + 1] = False
    assert not cells.any()


def test_where_an_outline_crosses_itself_all_that_it_encloses_is_masked() -> None:
    # Two loops in opposite directions overlap: by the usual rules of filling, the overlap would be outside.
    one, other = [(1, 1), (8, 1), (8, 4), (1, 4), (1, 1)], [(4, 2.2), (4, 5), (11, 5), (11, 2.2), (4, 2.2)]
    assert enclosed([*one, *other], 12, 6)[2:4, 4:8].all()


def test_an_outline_that_leaves_the_picture_encloses_what_it_did() -> None:
    around = [(-5.0, -5.0), (100.0, -5.0), (100.0, 100.0), (-5.0, 100.0)]
    assert enclosed(around, COLUMNS, ROWS).all()
    beside = [(-9.0, -5.0), (-3.0, -5.0), (-3.0, 100.0), (-9.0, 100.0)]
    assert not enclosed(beside, COLUMNS, ROWS).any()
    corner = [(-3.0, 4.0), (4.0, -3.0), (-3.0, -3.0)]
    cells = enclosed(corner, COLUMNS, ROWS)
    assert cells[0, 0]
    assert cells.sum() <= 3, "the triangle touches the corner pixel and its neighbours at most"


def picture(width: int, height: int, blocks: Blocks = EXACT) -> DecodedPicture:
    """A black picture."""
    return DecodedPicture(Image.new("RGB", (width, height)), width, height, blocks)


def test_the_mask_keeps_its_place_when_the_picture_changes_its_size() -> None:
    quarter = ((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75))
    for width, height in ((64, 48), (640, 480), (1920, 1080), (3000, 2000)):
        share = masked_pixels(picture(width, height), (quarter,)).mean()
        assert 0.25 <= share <= 0.29
    huge = masked_pixels(picture(4000, 3000), (quarter,))
    assert huge[750:2250, 1000:3000].all(), "squares of several pixels cover no less"
    assert huge.mean() < 0.255


def test_a_mask_covers_whole_blocks_and_their_spill() -> None:
    small = ((0.5, 0.5), (0.51, 0.5), (0.51, 0.51))
    pixels = masked_pixels(picture(200, 200, Blocks(16, 8, 2)), (small,))
    rows, columns = np.flatnonzero(pixels.any(axis=1)), np.flatnonzero(pixels.any(axis=0))
    assert (rows[0], rows[-1]) == (96 - 2, 103 + 2)
    assert (columns[0], columns[-1]) == (96 - 2, 111 + 2)


@pytest.mark.parametrize(("mirrored", "first"), [(False, 48), (True, 200 - 160)])
def test_blocks_are_counted_from_the_side_where_the_stored_picture_begins(mirrored: bool, first: int) -> None:
    line = ((0.25, 0.0), (0.26, 0.0), (0.26, 1.0), (0.25, 1.0))
    pixels = masked_pixels(picture(200, 100, Blocks(16, 16, mirrored_x=mirrored)), (line,))
    columns = np.flatnonzero(pixels.any(axis=0))
    assert (columns[0], columns[-1]) == (first, first + 15)


def test_masked_pixels_are_grey_and_the_others_as_they_were() -> None:
    before = np.arange(40 * 30 * 3).reshape(30, 40, 3).astype(np.uint8)
    given_picture = DecodedPicture(Image.fromarray(before), 40, 30, Blocks())
    masks = (((0.5, 0.1), (0.75, 0.1), (0.75, 0.3)),)
    pixels = masked_pixels(given_picture, masks)
    after = np.asarray(masked(given_picture, masks))
    assert (after[pixels] == GREY).all()
    assert np.array_equal(after[~pixels], before[~pixels])
    assert np.array_equal(np.asarray(given_picture.image), before), "the picture that came is left as it is"
