"""The part of a camera's picture that may be coded: a crop, and the polygons that are filled with grey before it.

    {"crop": [x, y, width, height], "masks": [[[x, y], ...], ...]} --View.read--> View --PictureLayout--> masked, cropped

Places are fractions of the upright picture's width and height, from its upper left corner. So a camera that changes its
resolution stays masked. Pixels are taken beside the size that they refer to ("size": [1920, 1080]).
Everything that a polygon's outline encloses is masked, however often the outline crosses itself.

Law: a view that says nothing is the whole picture; one that cannot be read is refused, and never taken for the whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.contract.geometry import Crop
from shared.errors import BadRequest, ViewNotApplied

Point = tuple[float, float]
Polygon = tuple[Point, ...]
Fractions = tuple[float, float, float, float]
"""x, y, width and height of a crop."""

MOST_MASKS = 32
MOST_POINTS = 64
FARTHEST = 16.0
"""Points may lie outside of the picture, but no farther away than so many of its sides."""
SMALLEST_CROP = 16
"""Pixels of each side of a crop, as the camera gives them."""
LEAST_SHARE = 1e-4
"""The least part of a picture's side that a crop may have: no picture has 16 pixels of less."""

_ROUNDING = 1e-6
"""Pixels. A place that misses a pixel's border by less was meant to lie on it: fractions are rounded."""
_SHAPE = "[[x, y], [x, y], [x, y], ...] with at least three points"


@dataclass(frozen=True)
class View:
    """A crop, None for the whole picture, and masks; all in fractions of the upright picture. Raises BadRequest."""

    crop: Fractions | None = None
    masks: tuple[Polygon, ...] = ()

    def __post_init__(self) -> None:
        if self.crop is not None:
            _check_crop(self.crop)
        if len(self.masks) > MOST_MASKS:
            raise BadRequest(f"a camera has at most {MOST_MASKS} masks, not {len(self.masks)}; join some of them")
        for number, polygon in enumerate(self.masks, 1):
            _check_polygon(number, polygon)

    @classmethod
    def read(cls, given: object) -> View:
        """Return a view that was written as JSON or TOML; None is the whole picture. Raises BadRequest."""
        if given is None:
            return WHOLE_PICTURE
        if not isinstance(given, Mapping):
            raise BadRequest("a view is a table with crop = [x, y, width, height] and masks = [[[x, y], ...], ...]")
        if unknown := sorted(str(key)[:40] for key in given.keys() - {"crop", "masks", "size"}):
            raise BadRequest(f"a view has crop, masks and size, and no {', '.join(unknown)}")
        width, height = _numbers("size", given.get("size", (1.0, 1.0)), 2)
        if min(width, height) <= 0:
            raise BadRequest("the size that pixels refer to is [width, height] of the picture, both above 0")
        crop, masks = given.get("crop"), _sequence("masks", given.get("masks", ()))
        read: list[Polygon] = []
        for number, mask in enumerate(masks[: MOST_MASKS + 1], 1):
            points = [_numbers(f"mask {number}", point, 2) for point in _sequence(f"mask {number}", mask)]
            read.append(tuple((x / width, y / height) for x, y in points))
        if crop is None:
            return cls(None, tuple(read))
        x, y, across, down = _numbers("crop", crop, 4)
        return cls((x / width, y / height, across / width, down / height), tuple(read))

    def document(self) -> dict[str, Any]:
        """Return what `read` reads as this view."""
        crop = None if self.crop is None else list(self.crop)
        return {"crop": crop, "masks": [[list(point) for point in polygon] for polygon in self.masks]}

    def crop_of(self, width: int, height: int) -> Crop | None:
        """Return the crop of an upright picture of this size, in whole pixels within what was drawn; None for all of it.

        Raises ViewNotApplied where too little of the picture is left.
        """
        if self.crop is None:
            return None
        x, y, across, down = self.crop
        left, right = _pixels_within(x, x + across, width)
        top, bottom = _pixels_within(y, y + down, height)
        if min(right - left, bottom - top) < SMALLEST_CROP:
            raise ViewNotApplied(
                f"the crop has {max(0, right - left)}x{max(0, bottom - top)} pixels of this {width}x{height} picture; each "
                f"side must have at least {SMALLEST_CROP}: crop less, or send larger pictures"
            )
        found = Crop(left, top, right - left, bottom - top)
        return None if found == Crop(0, 0, width, height) else found

    def least_side(self, side: int) -> int:
        """Return how many pixels a picture's sides need, so that the crop's have that many."""
        if self.crop is None:
            return side
        return math.ceil(side / min(self.crop[2:]))


WHOLE_PICTURE = View()
"""The view of a camera that may send everything."""


def _check_crop(crop: Fractions) -> None:
    x, y, width, height = _numbers("crop", crop, 4)
    if min(width, height) < LEAST_SHARE or min(x, y) < 0 or max(x + width, y + height) > 1 + 1e-9:
        raise BadRequest(
            f"the crop {list(crop)} is [x, y, width, height] in fractions of the picture and lies within it; "
            "for pixels, add size = [width, height] of the picture"
        )


def _check_polygon(number: int, polygon: Polygon) -> None:
    if not 3 <= len(polygon) <= MOST_POINTS:
        raise BadRequest(f"mask {number} has {len(polygon)} points; a mask has 3 to {MOST_POINTS}")
    for point in polygon:
        x, y = _numbers(f"mask {number}", point, 2)
        if max(abs(x), abs(y)) > FARTHEST:
            raise BadRequest(
                f"mask {number} has the point {list(point)}, far outside of the picture; points are fractions of the "
                "picture, 0 to 1; for pixels, add size = [width, height] of the picture"
            )


def _sequence(name: str, given: object) -> Sequence[object]:
    if isinstance(given, str | bytes) or not isinstance(given, Sequence):
        raise BadRequest(f"{name} must be a list: masks = [{_SHAPE}]")
    return given


def _numbers(name: str, given: object, count: int) -> list[float]:
    found = [one for one in _sequence(name, given) if isinstance(one, int | float) and not isinstance(one, bool)]
    try:
        numbers = [float(one) for one in found]
    except OverflowError:
        numbers = []
    if len(numbers) != count or len(numbers) != len(_sequence(name, given)) or not all(map(math.isfinite, numbers)):
        shape = "[x, y, width, height]" if count == 4 else "[width, height]" if name == "size" else _SHAPE
        raise BadRequest(f"{name} must be {shape}, in numbers")
    return numbers


def _pixels_within(start: float, end: float, size: int) -> tuple[int, int]:
    """Return the first pixel that lies within the fractions, and the first one after them."""
    return max(0, math.ceil(start * size - _ROUNDING)), min(size, math.floor(end * size + _ROUNDING))
