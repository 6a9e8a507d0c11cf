"""What one picture shows, for pictures of any size, with masks, and its time."""

from __future__ import annotations

import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_encoder.encoding.masking import GREY
from edge_encoder.sight.look import look_at
from tests.support.sight_pictures import SIDE, noisy, scene


def test_a_scene_has_detail_and_a_plain_picture_with_noise_has_none() -> None:
    assert look_at(scene()).detail > 0.05
    plain = noisy(np.full((SIDE, SIDE, 3), 90.0), np.random.default_rng(1), 5.0)
    assert look_at(plain).detail == 0.0


def test_the_clock_in_the_upper_edge_is_no_detail_and_no_change() -> None:
    random = np.random.default_rng(2)
    first, second = np.full((SIDE, SIDE, 3), 30, np.uint8), np.full((SIDE, SIDE, 3), 30, np.uint8)
    for picture in (first, second):
        picture[2:14, 4:100] = random.integers(0, 2, (12, 96, 1)) * 255
    assert look_at(first).detail == 0.0
    assert look_at(second).changed_since(look_at(first)) == 0.0


def test_brightness_is_that_of_nearly_all_of_the_picture() -> None:
    picture = np.full((SIDE, SIDE, 3), 10, np.uint8)
    picture[50:55, 50:55] = 255
    assert look_at(picture).bright == look_at(picture).dark
    picture[30:100] = 255
    assert look_at(picture).bright > 250


@pytest.mark.parametrize("share", [0.2, 0.6])
def test_a_mask_is_neither_detail_nor_brightness_nor_a_still_part(share: float) -> None:
    random = np.random.default_rng(3)
    dark = [noisy(np.full((SIDE, SIDE, 3), 12.0), random, 1.0) for _ in range(2)]
    rows = round(share * SIDE)
    for picture in dark:
        picture[SIDE - rows :] = GREY
    looks = [look_at(picture) for picture in dark]
    assert looks[0].detail == 0.0, "the mask's border is no detail"
    assert looks[0].bright < 30, "grey is not the light that the camera sees"
    assert looks[1].changed_since(looks[0]) > 0.5, "all that is not masked has changed"


def test_a_picture_that_is_masked_as_a_whole_shows_nothing() -> None:
    look = look_at(np.full((SIDE, SIDE, 3), GREY, np.uint8))
    assert (look.detail, look.seen, look.changed_since(look)) == (0.0, 0, 0.0)


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 255))
def test_every_size_can_be_looked_at_and_is_left_as_it_is(height: int, width: int, grey: int) -> None:
    pixels = np.full((height, width, 3), grey, np.uint8)
    pixels.setflags(write=False)
    look = look_at(pixels)
    assert look.detail == 0.0
    assert look.changed_since(look) == 0.0
    assert 0 <= look.dark <= look.bright <= 255


def test_another_size_is_another_picture() -> None:
    assert look_at(scene(side=48)).changed_since(look_at(scene())) == 1.0


def test_it_takes_a_fraction_of_a_millisecond() -> None:
    pixels = scene(side=256)
    took = []
    for _ in range(200):
        begin = time.process_time()
        look_at(pixels)
        took.append(time.process_time() - begin)
    assert min(took) < 0.0003, "the bound that docs/decisions.md promises, on an idle core"
