"""The labelled frame: one picture at the network's input size with whatever labels its data set has."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt
from PIL import Image

from shared.errors import TaxonError

INPUT_HEIGHT, INPUT_WIDTH = 256, 256
IGNORE = 255


class DataError(TaxonError, ValueError):
    """A data folder that is missing, incomplete or has no such split; the message says which and what to do."""


@dataclass(frozen=True)
class LabelledFrame:
    """image uint8 [H, W, 3] RGB; labels are None where the data set has none.

    class_scene 0..9, class_object 0..999, segment_semantic uint8 [H, W] (0..12, 255 = unlabelled), normal float32 [3, H, W],
    reshading float32 [1, H, W], principal_curvature float32 [2, H, W], valid bool [H, W] for these three.
    """

    name: str
    image: npt.NDArray[np.uint8]
    class_scene: int | None = None
    class_object: int | None = None
    segment_semantic: npt.NDArray[np.uint8] | None = None
    normal: npt.NDArray[np.float32] | None = None
    reshading: npt.NDArray[np.float32] | None = None
    principal_curvature: npt.NDArray[np.float32] | None = None
    valid: npt.NDArray[np.bool_] | None = None


class FrameDataset(Protocol):
    """A finite, ordered set of labelled frames."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int) -> LabelledFrame: ...


def resize_channels(values: npt.NDArray[np.float32], height: int, width: int) -> npt.NDArray[np.float32]:
    """Stretch float32 [C, H, W] to [C, height, width], bilinear with antialiasing (Pillow's, channel by channel)."""
    planes = [np.asarray(Image.fromarray(plane).resize((width, height), Image.Resampling.BILINEAR)) for plane in values]
    return np.stack(planes)


def unit(normal: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """Normalise vectors [3, H, W] to length one."""
    result: npt.NDArray[np.float32] = normal / np.maximum(np.linalg.norm(normal, axis=0, keepdims=True), 1e-6)
    return result
