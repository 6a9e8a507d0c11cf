"""The contact sheet: everything is on the page, whatever the picture's shape, and what was not sent is said to be missing."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from taxon.sheet import (
    ACCENT,
    FIRST_ROW,
    HEIGHT,
    MARGIN,
    PANEL,
    PAPER,
    TILE_HEIGHT,
    TILE_WIDTH,
    TITLE_HEIGHT,
    WIDTH,
    ByteCount,
    ClassShare,
    DenseTile,
    Ranking,
    SheetContent,
    draw_sheet,
    fitted,
    font,
)

RED, GREEN = (200, 10, 10), (10, 200, 10)


def content(size: tuple[int, int] = (640, 480), sent: bool = True, name: str = "room.jpg") -> SheetContent:
    result = Image.new("RGB", (256, 256), GREEN) if sent else None
    ranking = Ranking("Scene", (("bedroom", 0.75), ("kitchen", 0.25)) if sent else ())
    tile = DenseTile("Result", result)
    return SheetContent(
        name,
        Image.new("RGB", size, RED),
        (tile, tile, tile, tile),
        (ranking, ranking),
        (ClassShare("wall", GREEN, 0.9), ClassShare("tv", RED, 0.0)),
        ByteCount((("header", 6), ("semantic", 94)), 65536, (("JPEG", 12000),)),
    )


def tile_of(page: Image.Image, column: int) -> np.ndarray:
    left = MARGIN + column * (TILE_WIDTH + (WIDTH - 2 * MARGIN - 4 * TILE_WIDTH) // 3)
    top = FIRST_ROW + TITLE_HEIGHT
    return np.asarray(page.crop((left, top, left + TILE_WIDTH, top + TILE_HEIGHT)))


def test_the_page_is_full_hd() -> None:
    assert draw_sheet(content()).size == (WIDTH, HEIGHT) == (1920, 1080)


@pytest.mark.parametrize("size", [(640, 480), (480, 640), (3000, 100), (100, 3000), (16, 16)])
def test_a_result_is_stretched_back_to_the_pictures_shape(size):
    page = draw_sheet(content(size))
    picture, result = tile_of(page, 0), tile_of(page, 1)
    red, green = (picture == RED).all(axis=-1), (result == GREEN).all(axis=-1)
    assert np.array_equal(red, green)
    rows, columns = (np.flatnonzero(red.any(axis=axis)) for axis in (1, 0))
    expected = min(TILE_WIDTH / size[0], TILE_HEIGHT / size[1])
    assert np.ptp(columns) + 1 == pytest.approx(size[0] * expected, abs=1.5)
    assert np.ptp(rows) + 1 == pytest.approx(size[1] * expected, abs=1.5)


def test_what_was_not_sent_shows_no_result() -> None:
    tile = tile_of(draw_sheet(content(sent=False)), 1)
    assert not (tile == GREEN).all(axis=-1).any()
    assert tuple(tile[20, 20]) == PANEL


def test_nothing_is_drawn_into_the_margins() -> None:
    page = np.asarray(draw_sheet(content(name="a_very_long_name_" * 20)))
    margins = np.concatenate([page[:, : MARGIN - 4].reshape(-1, 3), page[:, WIDTH - MARGIN + 5 :].reshape(-1, 3)])
    assert (margins == PAPER).all()


def test_the_longest_bar_of_a_ranking_is_as_long_as_its_probability() -> None:
    page = np.asarray(draw_sheet(content()))
    column = page[:, MARGIN + TILE_WIDTH : MARGIN + 2 * TILE_WIDTH + 28]
    longest = (column == ACCENT).all(axis=-1).sum(axis=1).max()
    assert longest == pytest.approx(0.75 * (TILE_WIDTH - 44), abs=4)


def test_the_total_is_the_sum_of_the_parts() -> None:
    assert content().byte_count.total == 100


def test_text_is_cut_to_its_room() -> None:
    face = font(22)
    text = fitted("a label that is much too long for its place", 120, face)
    assert text.endswith("...")
    assert face.getlength(text) <= 120
    assert fitted("short", 120, face) == "short"
