"""Bring one task's numbers into the form that a subscriber asked for.

    values, task, Style --rendered--> ClassesResult | TensorResult | PictureResult

Law: the same values and style give the same output, so that it is made once for all who ask alike.
The calls block, since they draw and compress: they belong in a thread.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cloud_analytics.frames import TaskOutput
from cloud_analytics.rendering.pictures import PICTURES, png, segmentation_picture
from cloud_analytics.rendering.ranking import labels_for, ranked
from cloud_analytics.rendering.resize import reduced
from shared.contract.descriptions import TaskInfo
from shared.contract.results import ClassesResult, Encoding, PictureResult, TensorResult
from shared.contract.wishes import SubscriberWish


@dataclass(frozen=True)
class Style:
    """The form in which outputs are wanted.

    longest_side_pixels: the longer side of dense results; 0 keeps the network's size.
    top_classes: the number of classes that a class task names.
    """

    encoding: Encoding
    longest_side_pixels: int
    top_classes: int

    @classmethod
    def of(cls, wish: SubscriberWish) -> Style:
        """Return the style that a wish asks for."""
        return cls(wish.encoding, wish.longest_side_pixels, wish.top_classes)


def rendered(task: TaskInfo, values: NDArray[Any], style: Style) -> TaskOutput:
    """Make one frame's output of one task. values: an array of the task's shape and dtype."""
    if not task.is_dense:
        if len(task.sides) != 1 or task.dtype != "float32":
            return TensorResult(task.name, values)
        return ClassesResult(task.name, ranked(labels_for(task.labels, len(values)), values, style.top_classes))
    small = reduced(task.name, values, style.longest_side_pixels)
    if style.encoding is Encoding.TENSOR:
        return TensorResult(task.name, small)
    picture = _drawn(task, small)
    return PictureResult(task.name, png(picture), picture.width, picture.height)


def _drawn(task: TaskInfo, values: NDArray[Any]) -> Image.Image:
    if task.name in PICTURES and not task.overlay:
        return PICTURES[task.name](values)
    planes = values.reshape(-1, *values.shape[-2:])
    if np.issubdtype(values.dtype, np.integer):
        return segmentation_picture(planes[0].astype(np.uint8))
    return _over_its_range(planes)


def _over_its_range(planes: NDArray[Any]) -> Image.Image:
    """Draw one channel as grey, or the first three as red, green and blue; the frame's least value is black, its greatest white."""
    chosen = planes[:3] if len(planes) >= 3 else planes[:1]
    finite = np.nan_to_num(chosen.astype(np.float32), posinf=0.0, neginf=0.0)
    low, high = float(finite.min()), float(finite.max())
    levels = np.rint((finite - low) * (255 / (high - low) if high > low else 0)).astype(np.uint8)
    return Image.fromarray(levels[0] if len(levels) == 1 else np.ascontiguousarray(np.moveaxis(levels, 0, -1)))
