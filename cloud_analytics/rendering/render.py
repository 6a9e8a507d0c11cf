"""One task's numbers as a subscriber asked for them.

    values, task, Style --rendered--> ClassesResult | TensorResult | PictureResult

Law: the same values and style give the same output, so it is made once for all who ask alike. Blocks: it draws and compresses.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cloud_analytics.frames import ServedTask, TaskOutput, Wish
from cloud_analytics.rendering.pictures import (
    curvature_picture,
    normal_picture,
    png,
    reshading_picture,
    segmentation_picture,
)
from cloud_analytics.rendering.ranking import labels_for, ranked
from cloud_analytics.rendering.resize import reduced
from shared.contract.results import ClassesResult, Encoding, PictureResult, TensorResult

_DRAWN = {"normal": normal_picture, "reshading": reshading_picture, "principal_curvature": curvature_picture}


@dataclass(frozen=True)
class Style:
    """How outputs are wanted. longest_side_pixels: of dense ones, 0 for the network's size. top_classes: of class tasks."""

    encoding: Encoding
    longest_side_pixels: int
    top_classes: int

    @classmethod
    def of(cls, wish: Wish) -> Style:
        """A wish's."""
        return cls(wish.encoding, wish.longest_side_pixels, wish.top_classes)


def rendered(task: ServedTask, values: NDArray[Any], style: Style) -> TaskOutput:
    """One frame's output of one task. values: of the task's shape and dtype."""
    if not task.is_dense:
        if len(task.shape) != 1 or task.dtype != "float32":
            return TensorResult(task.name, values)
        return ClassesResult(task.name, ranked(labels_for(task.labels, len(values)), values, style.top_classes))
    small = reduced(task.name, values, style.longest_side_pixels)
    if style.encoding is Encoding.TENSOR:
        return TensorResult(task.name, small)
    picture = _drawn(task, small)
    return PictureResult(task.name, png(picture), picture.width, picture.height)


def _drawn(task: ServedTask, values: NDArray[Any]) -> Image.Image:
    if task.name in _DRAWN and not task.overlay:
        return _DRAWN[task.name](values)
    planes = values.reshape(-1, *values.shape[-2:])
    if np.issubdtype(values.dtype, np.integer):
        return segmentation_picture(planes[0].astype(np.uint8))
    return _over_its_range(planes)


def _over_its_range(planes: NDArray[Any]) -> Image.Image:
    """Grey, or the first three channels as red, green and blue: the frame's least value is black, its greatest white."""
    chosen = planes[:3] if len(planes) >= 3 else planes[:1]
    finite = np.nan_to_num(chosen.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = float(finite.min()), float(finite.max())
    levels = np.rint((finite - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)
    return Image.fromarray(levels[0] if len(levels) == 1 else np.ascontiguousarray(np.moveaxis(levels, 0, -1)))
