"""Draw results as pictures, by one convention for each task that every command shares.

segment_semantic [H, W]           -> a colour for each class (and, for machines, the ids as grey values)
normal [3, H, W]                  -> (n + 1) / 2 as red, green, blue: right, up and towards the camera are bright
reshading [1, H, W]               -> grey
principal_curvature [2, H, W]     -> (k + 1) / 2 as red and green beside a constant blue: flat is mid-grey
"""

from __future__ import annotations

import colorsys
import zlib
from collections.abc import Callable, Mapping
from io import BytesIO
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

Colour = tuple[int, int, int]

CURVATURE_GAIN_FOR_EYES = 4.0

PALETTE: tuple[Colour, ...] = (
    (219, 92, 138),  # bed
    (146, 88, 201),  # books
    (206, 214, 224),  # ceiling
    (240, 134, 54),  # chair
    (166, 131, 98),  # floor
    (176, 68, 48),  # furniture
    (245, 209, 66),  # objects
    (58, 176, 122),  # picture
    (46, 108, 196),  # sofa
    (134, 172, 62),  # table
    (82, 66, 142),  # tv
    (122, 136, 153),  # wall
    (112, 202, 238),  # window
)
"""The colours of the 13 classes of NYUv2, in their order."""


def class_colour(class_id: int) -> Colour:
    """Return the palette's colour; beyond the palette, colours differ by their hue."""
    if class_id < len(PALETTE):
        return PALETTE[class_id]
    hue = (class_id * 0.618034) % 1
    red, green, blue = colorsys.hsv_to_rgb(hue, 0.6, 0.9)
    return round(red * 255), round(green * 255), round(blue * 255)


def segmentation_picture(class_ids: npt.NDArray[np.uint8]) -> Image.Image:
    """Draw class ids [H, W] in their classes' colours."""
    colours = np.array([class_colour(index) for index in range(256)], np.uint8)
    return Image.fromarray(colours[class_ids])


def segmentation_ids(class_ids: npt.NDArray[np.uint8]) -> Image.Image:
    """Draw class ids [H, W] as grey values, for machines."""
    return Image.fromarray(class_ids)


def normal_picture(normals: npt.NDArray[np.float32]) -> Image.Image:
    """Draw unit vectors [3, H, W] as red, green and blue."""
    return _from_unit_range((normals + 1) / 2)


def reshading_picture(shading: npt.NDArray[np.float32]) -> Image.Image:
    """Draw shading [1, H, W] in 0..1 as grey."""
    return _from_unit_range(shading)


def curvature_picture(curvatures: npt.NDArray[np.float32]) -> Image.Image:
    """Draw (k1, k2) [2, H, W] in -1..1 as red and green."""
    blue = np.zeros_like(curvatures[:1])
    return _from_unit_range((np.concatenate([curvatures, blue]) + 1) / 2)


def strong_curvature_picture(curvatures: npt.NDArray[np.float32]) -> Image.Image:
    """Draw curvature four times as strong, for eyes: in units of 1 / (3 cm) a chair's back is nearly flat."""
    return curvature_picture(np.clip(curvatures * CURVATURE_GAIN_FOR_EYES, -1, 1))


PICTURES: Mapping[str, Callable[[npt.NDArray[Any]], Image.Image]] = {
    "segment_semantic": segmentation_picture,
    "normal": normal_picture,
    "reshading": reshading_picture,
    "principal_curvature": curvature_picture,
}
"""The drawing of each dense task's result."""


def png(picture: Image.Image) -> bytes:
    """Compress the picture as a PNG file."""
    buffer = BytesIO()
    # Run lengths alone make such pictures as small as level 6 does, in a quarter of the time.
    picture.save(buffer, "PNG", compress_level=1, compress_type=zlib.Z_RLE)
    return buffer.getvalue()


def _from_unit_range(values: npt.NDArray[np.float32]) -> Image.Image:
    levels = np.rint(np.clip(values, 0, 1) * 255).astype(np.uint8)
    return Image.fromarray(levels[0] if len(levels) == 1 else np.ascontiguousarray(np.moveaxis(levels, 0, -1)))
