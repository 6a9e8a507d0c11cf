"""Make dense results smaller.

    class ids [H, W] --majority of the area--> [h, w]        numbers [C, H, W] --area average--> [C, h, w]; normals made unit length again

Laws: a result never grows; a constant stays that constant; at the full size nothing changes.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

FloatArray = NDArray[np.float32]
_SHORTEST_NORMAL = 1e-6


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
