"""Masks as pixels of a decoded picture: every pixel that a polygon touches, and all that a decoder mixes with those.

    polygon --enclosed--> blocks that it touches --> pixels of those blocks, and their spill --masked--> grey

A JPEG decoder makes pixels a block at a time: what stood in one corner of a block is seen in all of it. So a polygon
masks whole blocks (`edge_encoder.encoding.blocks`).

Law: a pixel that stays depends on nothing that a mask covers, whatever the JPEG's size, quality, subsampling and turn.
Law: masking is done before the picture is scaled, so that the scaling filter sees no masked pixel.
"""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edge_encoder.encoding.blocks import Blocks
from edge_encoder.encoding.picture_file import DecodedPicture
from edge_encoder.encoding.view import Point, Polygon

GREY = (128, 128, 128)
"""The middle of the range: it says nothing, and gives the networks' first filters no strong edge to any scene."""
MOST_CELLS = 1 << 19
"""The finest raster of a mask. A larger picture that has no blocks is masked by squares of a few pixels."""

_ROUNDING = 1e-6


def masked(picture: DecodedPicture, masks: tuple[Polygon, ...]) -> Image.Image:
    """Return the picture's image, grey where masks are; the picture itself is left as it is."""
    if not masks:
        return picture.image
    covered = picture.image.copy()
    covered.paste(GREY, (0, 0), Image.fromarray(masked_pixels(picture, masks).astype(np.uint8) * 255))
    return covered


def masked_pixels(picture: DecodedPicture, masks: tuple[Polygon, ...]) -> NDArray[np.bool_]:
    """Return True for each pixel that must be filled: bool, of the decoded image's height and width."""
    width, height, blocks = picture.image.width, picture.image.height, picture.blocks
    cell_width, cell_height = _cell(blocks, width, height)
    columns, rows = math.ceil(width / cell_width), math.ceil(height / cell_height)
    scales = picture.width / (blocks.scale * cell_width), picture.height / (blocks.scale * cell_height)
    packed = _packed_cells(masks, scales, (columns, rows), blocks.mirrored_x, blocks.mirrored_y)
    cells = np.unpackbits(packed, count=rows * columns).reshape(rows, columns).astype(np.bool_)
    pixels = cells.repeat(cell_height, axis=0)[:height].repeat(cell_width, axis=1)[:, :width]
    for axis in (0, 1):
        pixels = _widened(pixels, blocks.spill, axis)
    return pixels[:: -1 if blocks.mirrored_y else 1, :: -1 if blocks.mirrored_x else 1]


def enclosed(outline: list[Point], columns: int, rows: int) -> NDArray[np.bool_]:
    """Return the cells that a closed outline touches or encloses: bool [rows, columns]. outline: corners, in cells.

    What lies outside of the raster counts as its border, so an outline that leaves it still encloses what it did.
    """
    # The raster has two cells more on each side: one that stands for all that lies beyond, and one that nothing reaches.
    edges = np.zeros((rows + 4, columns + 5), np.int32)
    for start, end in zip(outline, outline[1:] + outline[:1], strict=True):
        _draw(edges, start, end, columns, rows)
    touched = edges.cumsum(axis=1)[:, :-1] > 0
    return (~_reached(~touched))[2:-2, 2:-2]


@lru_cache(maxsize=1024)
def _packed_cells(
    masks: tuple[Polygon, ...], scales: Point, raster: tuple[int, int], mirrored_x: bool, mirrored_y: bool
) -> NDArray[np.uint8]:
    """Return the masked cells of a raster (columns, rows), eight to a byte; a camera's next picture finds them here."""
    columns, rows = raster
    found = np.zeros((rows, columns), np.bool_)
    for polygon in masks:
        placed = [((1 - x if mirrored_x else x), (1 - y if mirrored_y else y)) for x, y in polygon]
        found |= enclosed([(x * scales[0], y * scales[1]) for x, y in placed], columns, rows)
    return np.packbits(found)


def _cell(blocks: Blocks, width: int, height: int) -> tuple[int, int]:
    """Return the pixels that are masked together: the blocks, or several of them where those would be too many."""
    times = 1
    while width * height > MOST_CELLS * blocks.width * blocks.height * times * times:
        times += 1
    return blocks.width * times, blocks.height * times


def _draw(edges: NDArray[np.int32], start: Point, end: Point, columns: int, rows: int) -> None:
    """Add the cells that one edge touches, row by row, as where they begin (1) and where they have ended (-1)."""
    (x0, y0), (x1, y1) = (start, end) if start[1] <= end[1] else (end, start)
    first = min(max(math.floor(y0 + _ROUNDING), -1), rows)
    last = min(max(first, math.ceil(y1 - _ROUNDING) - 1), rows)
    row = np.arange(first, last + 1)
    # The first and the last row take all of the edge that is left, beyond the raster too: no piece of it is lost.
    ys = np.concatenate(([y0], row[1:].astype(np.float64), [y1]))
    share = (ys - y0) / (y1 - y0) if y1 > y0 else np.array([0.0, 1.0])
    xs = np.clip(x0 + share * (x1 - x0), -0.5, columns + 0.5)
    left, right = np.minimum(xs[:-1], xs[1:]), np.maximum(xs[:-1], xs[1:])
    begin = np.floor(left + _ROUNDING).astype(np.int64)
    over = np.maximum(begin + 1, np.ceil(right - _ROUNDING).astype(np.int64))
    edges[row + 2, begin + 2] += 1
    edges[row + 2, over + 2] -= 1


def _reached(free: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the free cells that can be reached from the border, over sides of cells and not over corners."""
    reached = np.zeros_like(free)
    reached[0] = reached[-1] = True
    reached[:, 0] = reached[:, -1] = True
    ways = [(reached, free), (reached[::-1], free[::-1]), (reached.T, free.T), (reached.T[::-1], free.T[::-1])]
    walls = [_last_above(~open_cells) for _, open_cells in ways]
    before = -1
    while before != (now := int(np.count_nonzero(reached))):
        before = now
        for (found, _), wall in zip(ways, walls, strict=True):
            found |= _last_above(found) > wall
    return reached


def _last_above(marked: NDArray[np.bool_]) -> NDArray[np.int32]:
    """Return, for each cell, the row of the last marked one in its column down to there; -1 where there is none."""
    row = np.arange(len(marked), dtype=np.int32)[:, None]
    return np.maximum.accumulate(np.where(marked, row, np.int32(-1)), axis=0)


def _widened(pixels: NDArray[np.bool_], by: int, axis: int) -> NDArray[np.bool_]:
    """Return the pixels with as many neighbours on both sides along an axis."""
    wide = pixels.copy()
    ahead, behind = np.moveaxis(wide, axis, 0), np.moveaxis(pixels, axis, 0)
    for step in range(1, by + 1):
        ahead[step:] |= behind[:-step]
        ahead[:-step] |= behind[step:]
    return wide
