"""Bring one task's numbers into the form that a subscriber asked for.

    values, task, Style --rendered--> ClassesResult | TensorResult | PictureResult
    class ids [H, W] --majority of the area--> [h, w]        numbers [C, H, W] --area average--> [C, h, w]

Laws: the same values and style give the same output, so that it is made once for all who ask alike. Equal probabilities
keep the order of the classes. A result never grows, a constant stays that constant, and normals keep unit length.
The calls block, since they draw and compress: they belong in a thread.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from cloud_analytics.frames import TaskOutput
from cloud_analytics.rendering.pictures import PICTURES, png, segmentation_picture
from shared.contract.descriptions import TaskInfo
from shared.contract.results import ClassesResult, ClassProbability, Encoding, PictureResult, TensorResult
from shared.contract.wishes import SubscriberWish

FloatArray = NDArray[np.float32]
_SHORTEST_NORMAL = 1e-6


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


def smaller_size(height: int, width: int, longest_side: int) -> tuple[int, int]:
    """Return (height, width) in pixels whose longer side is at most `longest_side`; 0 keeps the size.

    Each side keeps at least one pixel.
    """
    longest = max(height, width)
    if longest_side == 0 or longest_side >= longest:
        return height, width
    return max(1, round(height * longest_side / longest)), max(1, round(width * longest_side / longest))


def reduced(task: str, values: NDArray[Any], longest_side: int) -> NDArray[Any]:
    """Return a dense result's values [H, W] or [C, H, W] at the smaller size: class ids by majority, floats by average."""
    size = smaller_size(values.shape[-2], values.shape[-1], longest_side)
    if size == values.shape[-2:]:
        return values
    if np.issubdtype(values.dtype, np.integer):
        return majority(values, size) if values.ndim == 2 else np.stack([majority(one, size) for one in values])
    averaged = np.stack([area_average(one, size) for one in values.reshape(-1, *values.shape[-2:])])
    averaged = averaged.reshape(*values.shape[:-2], *size).astype(values.dtype)
    return unit_length(averaged) if task == "normal" else averaged


def area_average(plane: NDArray[Any], size: tuple[int, int]) -> FloatArray:
    """Give each target pixel the mean of the area that it covers. plane: [H, W]."""
    image = Image.fromarray(np.ascontiguousarray(plane, np.float32))
    return np.asarray(image.resize((size[1], size[0]), Image.Resampling.BOX), np.float32)


def majority(ids: NDArray[Any], size: tuple[int, int]) -> NDArray[Any]:
    """Give each target pixel the id that covers most of its area, the lower of two equals. ids: [H, W]."""
    present = np.unique(ids)
    shares = np.stack([area_average(ids == one, size) for one in present])
    chosen: NDArray[Any] = present[np.argmax(shares, axis=0)]
    return chosen


def unit_length(vectors: FloatArray) -> FloatArray:
    """Return vectors [3, H, W] of length one; where opposite ones cancelled, the result faces the camera."""
    length = np.linalg.norm(vectors, axis=0)
    safe = vectors / np.maximum(length, _SHORTEST_NORMAL)
    towards = np.array([0, 0, 1], np.float32).reshape(3, 1, 1)
    return np.where(length < _SHORTEST_NORMAL, towards, safe).astype(np.float32)


def labels_for(labels: Sequence[str], classes: int) -> Sequence[str]:
    """Return the class names if there is one for each class, else their numbers."""
    return labels if len(labels) == classes else [str(index) for index in range(classes)]


def ranked(labels: Sequence[str], probabilities: NDArray[np.float32], count: int) -> tuple[ClassProbability, ...]:
    """Return the `count` most probable classes. labels: one name for each class. probabilities: float32 [C]."""
    order = np.argsort(-probabilities, kind="stable")[:count]
    return tuple(ClassProbability(index, labels[index], float(probabilities[index])) for index in order.tolist())
