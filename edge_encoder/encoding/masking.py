"""Masks as pixels of a decoded picture: every pixel that a polygon touches, and all that a decoder mixes with those.

    polygon --enclosed--> blocks that it touches --> pixels of those blocks, and `spill` around them --fill--> grey

A JPEG decoder makes pixels a block at a time: what stood in one corner of a block is seen in all of it. So a polygon
masks whole blocks. Where colour is stored at a lower resolution, the decoder also looks a few pixels beyond a block.

Law: a pixel that stays depends on nothing that a mask covers, whatever the JPEG's size, quality, subsampling and turn.
Law: masking is done before the picture is scaled, so that the scaling filter sees no masked pixel.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edge_encoder.encoding.view import Point, Polygon, View
from shared.contract.geometry import Crop

GREY = (128, 128, 128)
"""The middle of the range: it says nothing, and gives the networks' first filters no strong edge to any scene."""
MOST_CELLS = 1 << 19
"""The finest raster of a mask. A larger picture that has no blocks is masked by squares of a few pixels."""

_ROUNDING = 1e-6


@dataclass(frozen=True)
class PictureLayout:
    """The pixels of a decoded, upright picture, and how they stand to those of the camera's.

    width, height: of the upright picture as the camera gave it. scale: a decoded pixel's width and height in those.
    block_width, block_height: the pixels, as decoded, that a decoder makes together. spill: the pixels around a block that
    it takes part in. mirrored_x, mirrored_y: blocks and scaled pixels are counted from the right, or from the bottom.
    """

    width: int
    height: int
    scale: int = 1
    block_width: int = 1
    block_height: int = 1
    spill: int = 0
    mirrored_x: bool = False
    mirrored_y: bool = False

    def box_of(self, crop: Crop, decoded_width: int, decoded_height: int) -> tuple[float, float, float, float]:
        """Return a crop's left, top, right and bottom in decoded pixels."""
        left, right = self._along(crop.x, crop.x + crop.width, self.width, decoded_width, self.mirrored_x)
        top, bottom = self._along(crop.y, crop.y + crop.height, self.height, decoded_height, self.mirrored_y)
        return left, top, right, bottom

    def _along(self, start: int, end: int, size: int, decoded: int, mirrored: bool) -> tuple[float, float]:
        if mirrored:
            start, end = size - end, size - start
        # A scaled picture's last pixel may reach beyond the picture.
        first, last = start / self.scale, decoded if end == size else end / self.scale
        return (decoded - last, decoded - first) if mirrored else (first, last)


def masked_pixels(view: View, layout: PictureLayout, decoded_width: int, decoded_height: int) -> NDArray[np.bool_]:
    """Return True where the decoded picture must be filled: bool [decoded_height, decoded_width]."""
    cell_width, cell_height = _cell(layout, decoded_width, decoded_height)
    columns, rows = math.ceil(decoded_width / cell_width), math.ceil(decoded_height / cell_height)
    packed = _packed_cells(view.masks, layout, (cell_width, cell_height), (columns, rows))
    cells = np.unpackbits(packed, count=rows * columns).reshape(rows, columns).astype(np.bool_)
    pixels = cells.repeat(cell_height, axis=0)[:decoded_height].repeat(cell_width, axis=1)[:, :decoded_width]
    for axis in (0, 1):
        pixels = _widened(pixels, layout.spill, axis)
    return pixels[:: -1 if layout.mirrored_y else 1, :: -1 if layout.mirrored_x else 1]


def filled(image: Image.Image, pixels: NDArray[np.bool_]) -> Image.Image:
    """Return the RGB picture with those pixels grey."""
    covered = image.copy()
    covered.paste(GREY, (0, 0), Image.fromarray(pixels.astype(np.uint8) * 255))
    return covered


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
    masks: tuple[Polygon, ...], layout: PictureLayout, cell: tuple[int, int], raster: tuple[int, int]
) -> NDArray[np.uint8]:
    """Return the masked cells of a raster (columns, rows), eight to a byte; a camera's next picture finds them here."""
    across, down = (
        side / (layout.scale * cells) for side, cells in zip((layout.width, layout.height), cell, strict=True)
    )
    columns, rows = raster
    found = np.zeros((rows, columns), np.bool_)
    for polygon in masks:
        found |= enclosed([_placed(point, layout, across, down) for point in polygon], columns, rows)
    return np.packbits(found)


def _cell(layout: PictureLayout, width: int, height: int) -> tuple[int, int]:
    """Return the pixels that are masked together: the blocks, or squares where those would be too many."""
    times = 1
    while width * height > MOST_CELLS * layout.block_width * layout.block_height * times * times:
        times += 1
    return layout.block_width * times, layout.block_height * times


def _placed(point: Point, layout: PictureLayout, across: float, down: float) -> Point:
    x, y = point
    return (1 - x if layout.mirrored_x else x) * across, (1 - y if layout.mirrored_y else y) * down


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
