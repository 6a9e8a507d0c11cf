"""A camera's picture and the network's input: the same picture, or a crop of it, stretched.

    source --play--> SourceFrame --> CameraClient or the edge's own queue
    picture (any size, upright) --crop, stretch--> Frame.pixels (the bundle's input) --> result --Geometry--> picture

Without a crop, stretching keeps the whole view. `Geometry` takes a result's pixel back to its place in the picture.
Law: the corners of the input are the corners of the crop, or of the whole picture, and to_input undoes to_picture.
Law: the capture times of one source's frames rise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

Picture = bytes | NDArray[np.uint8]
"""A picture file's bytes (JPEG, PNG, WebP or AVIF), or upright RGB as uint8 [H, W, 3]."""


@dataclass(frozen=True)
class InputSize:
    """The size of the network's input, in pixels."""

    height: int
    width: int


@dataclass(frozen=True)
class Crop:
    """A part of the upright picture, in whole pixels. x, y: its upper left pixel."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class Geometry:
    """The size of the upright picture, and that of the network's input, in pixels.

    crop: the part of the picture that was stretched to the input; None for all of it.
    """

    picture_width: int
    picture_height: int
    input_width: int
    input_height: int
    crop: Crop | None = None

    def __post_init__(self) -> None:
        part = self.region
        if min(self.picture_width, self.picture_height, self.input_width, self.input_height) < 1:
            raise ValueError(f"sizes are at least one pixel: {self}")
        if min(part.width, part.height) < 1 or min(part.x, part.y) < 0:
            raise ValueError(f"a crop has at least one pixel and begins within the picture: {self}")
        if part.x + part.width > self.picture_width or part.y + part.height > self.picture_height:
            raise ValueError(f"a crop ends within the picture: {self}")

    @property
    def region(self) -> Crop:
        """The part of the picture that was coded: the crop, or all of it."""
        return self.crop or Crop(0, 0, self.picture_width, self.picture_height)

    @classmethod
    def of_numbers(cls, numbers: Sequence[int]) -> Geometry:
        """Return the geometry that `numbers` was made of. Raises ValueError for an impossible one."""
        coded_width, coded_height, input_width, input_height, x, y, width, height = numbers
        if not any((x, y, width, height)):
            return cls(coded_width, coded_height, input_width, input_height)
        return cls(width, height, input_width, input_height, Crop(x, y, coded_width, coded_height))

    @property
    def numbers(self) -> tuple[int, int, int, int, int, int, int, int]:
        """The geometry as it is stored and sent: sizes of the coded part and of the input, place of the crop, whole size.

        The last four are 0 without a crop. Who does not know them takes the crop for the whole picture, and all fits together.
        """
        part = self.region
        sizes = (part.width, part.height, self.input_width, self.input_height)
        if self.crop is None:
            return *sizes, 0, 0, 0, 0
        return *sizes, part.x, part.y, self.picture_width, self.picture_height

    def to_picture(self, column: float, row: float) -> tuple[float, float]:
        """Return the place of an input (or result) pixel's centre in the picture: (x, y), with centres at whole numbers."""
        part = self.region
        return (
            part.x + _rescale(column, self.input_width, part.width),
            part.y + _rescale(row, self.input_height, part.height),
        )

    def to_input(self, x: float, y: float) -> tuple[float, float]:
        """Undo `to_picture`: return (column, row). What lies outside of the crop gets a place outside of the input."""
        part = self.region
        return (
            _rescale(x - part.x, part.width, self.input_width),
            _rescale(y - part.y, part.height, self.input_height),
        )


class Damage(StrEnum):
    """What is wrong with a picture that was taken all the same; also the label of counters and a word of the answer.

    NO_END: the mark at its end is missing, and nothing else. CUT: the last of its rows are missing.
    CORRUPT: the decoder met data that no encoder writes, so that some of it is not what the camera saw.
    """

    NO_END = "no_end"
    CUT = "cut"
    CORRUPT = "corrupt"


@dataclass(frozen=True)
class PictureDamage:
    """The damage of one picture. detail: what was found, for people."""

    kind: Damage
    detail: str


@dataclass(frozen=True, eq=False)
class Frame:
    """A picture ready for the network. pixels: uint8 [height, width, 3], upright RGB, of the geometry's input size.

    damage: None where all of the picture was read.
    """

    pixels: NDArray[np.uint8]
    geometry: Geometry
    damage: PictureDamage | None = None

    def __post_init__(self) -> None:
        wanted = (self.geometry.input_height, self.geometry.input_width, 3)
        if self.pixels.shape != wanted or self.pixels.dtype != np.uint8:
            raise ValueError(f"pixels must be uint8 {wanted}, not {self.pixels.dtype} {self.pixels.shape}")


def _rescale(position: float, source: int, target: int) -> float:
    """Rescale with half-pixel centres, so that edges map to edges."""
    return (position + 0.5) * target / source - 0.5


@dataclass(frozen=True, eq=False)
class SourceFrame:
    """A frame at the moment when it is due. capture_time_us: microseconds since 1970 (UTC)."""

    picture: Picture = field(repr=False)
    capture_time_us: int
