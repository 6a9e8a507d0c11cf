"""A preview shows the coded part in its place; what a mask covers or a crop leaves out cannot be seen in it."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edge_encoder.encoding.preprocess import preprocess_pixels
from edge_encoder.encoding.preview import CROP_LINE, LONGEST_SIDE, MASK_LINE, NOT_CODED, drawn_preview
from edge_encoder.encoding.view import View
from shared.contract.geometry import InputSize

VIEW = View((0.25, 0.0, 0.75, 0.5), (((0.5, 0.1), (0.8, 0.1), (0.8, 0.4), (0.5, 0.4)),))


def preview(pixels: NDArray[np.uint8], view: View) -> NDArray[np.uint8]:
    file = drawn_preview(preprocess_pixels(pixels, InputSize(64, 64), view), view)
    return np.asarray(Image.open(io.BytesIO(file)))


def test_the_coded_part_lies_in_its_place_within_its_border() -> None:
    pixels = np.full((300, 600, 3), 200, np.uint8)
    drawn = preview(pixels, VIEW)
    assert drawn.shape == (320, LONGEST_SIDE, 3)
    assert (drawn[:, :160] == NOT_CODED).all()
    assert (drawn[160:] == NOT_CODED).all()
    assert (drawn[0, 160:] == CROP_LINE).all()
    assert (drawn[:160, 160] == CROP_LINE).all()
    assert (drawn[15, 200] == 200).all()
    assert (drawn[80, 410] == 128).all(), "grey under the mask"
    assert (drawn[32, 330:500] == MASK_LINE).all(), "the outline as it was drawn"


def test_what_must_not_be_coded_changes_nothing_of_the_preview() -> None:
    noise = np.random.default_rng(5).integers(0, 256, (300, 600, 3), np.uint8)
    other = noise.copy()
    other[:, :150] = 0
    other[150:] = 255
    other[30:120, 300:480] = 7
    assert np.array_equal(preview(noise, VIEW), preview(other, VIEW))
