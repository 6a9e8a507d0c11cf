"""Intermediate deep feature compression, IDFC (paper 4.2, [4]): a feature coded as a grey picture by HEVC intra.

    feature float32 [C, H, W] or [K] --tile--> uint8 [rows*H, columns*W] --HevcIntra at a QP--> uint8 --untile--> feature

The channels stand side by side in a grid as square as it can be with few empty cells; a vector is K channels of one pixel. The rate is of
the real stream's slice; the range of the levels is the task's, known to both sides, and costs nothing.
Law: untile(tile(x)) differs from x by at most half a quantisation step within the range, and gives the range's end outside it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from experiments.codecs.picture_codecs import HevcIntra
from training.datasets.frame import DataError

FloatArray = NDArray[np.float32]
UInt8Array = NDArray[np.uint8]

_LEVELS = 255  # steps between the lowest and the highest of eight bits


@dataclass(frozen=True)
class FeatureRange:
    """The lowest and highest value of one task's feature, in its own unit; raises DataError unless both are finite and differ."""

    lowest: float
    highest: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.lowest) and math.isfinite(self.highest) and self.lowest < self.highest):
            raise DataError(
                f"a feature's range goes from a finite value to a higher one, not from {self.lowest} to {self.highest}; "
                "fit it on features that are finite and differ"
            )

    @classmethod
    def of(cls, features: FloatArray) -> FeatureRange:
        """The range of training features float32 [N, ...], over all channels at once, as one grey picture has one scale."""
        if features.size == 0:
            raise DataError("there are no features to fit a range on; give at least one training feature")
        return cls(float(features.min()), float(features.max()))

    @property
    def step(self) -> float:
        """The difference between two neighbouring grey levels, in the feature's unit."""
        return (self.highest - self.lowest) / _LEVELS


@dataclass(frozen=True)
class CodedFeature:
    """A feature after coding: reconstruction float32 of the feature's shape, payload_bytes as HevcIntra counts them."""

    reconstruction: FloatArray
    payload_bytes: int


def grid(cells: int) -> tuple[int, int]:
    """Rows and columns for so many cells: of all grids at most twice as wide as high, those with the fewest empty cells, then the squarest.

    8 -> (2, 4), 32 -> (4, 8), 48 -> (6, 8), 7 -> (2, 4).
    """
    shapes = [(rows, -(-cells // rows)) for rows in range(1, cells + 1)]
    allowed = [(rows, columns) for rows, columns in shapes if rows <= columns <= 2 * rows]
    return min(allowed, key=lambda shape: (shape[0] * shape[1], shape[1]))


def tile(feature: FloatArray, feature_range: FeatureRange) -> UInt8Array:
    """The grey picture uint8 [rows*H, columns*W] of a feature float32 [C, H, W] or [K]; empty cells repeat the last channel.

    Values outside the range get its nearest end. Raises DataError for another shape or values that are not finite.
    """
    if not np.isfinite(feature).all():
        raise DataError("a feature to code has to be finite; find the network's output that is not")
    channels, height, width = _cells(feature.shape)
    rows, columns = grid(channels)
    steps = np.rint((feature.astype(np.float64) - feature_range.lowest) / feature_range.step)
    levels = np.clip(steps, 0, _LEVELS).astype(np.uint8).reshape(channels, height, width)
    filled = np.pad(levels, ((0, rows * columns - channels), (0, 0), (0, 0)), mode="edge")
    table = filled.reshape(rows, columns, height, width).transpose(0, 2, 1, 3)
    return np.ascontiguousarray(table.reshape(rows * height, columns * width))


def untile(picture: UInt8Array, shape: tuple[int, ...], feature_range: FeatureRange) -> FloatArray:
    """The feature float32 of `shape`, (C, H, W) or (K,), from its picture; raises DataError where the sizes differ."""
    channels, height, width = _cells(shape)
    rows, columns = grid(channels)
    if picture.shape != (rows * height, columns * width):
        raise DataError(
            f"a feature {shape} is a picture {(rows * height, columns * width)}, not {picture.shape}; give the shape that was tiled"
        )
    levels = picture.reshape(rows, height, columns, width).transpose(0, 2, 1, 3).reshape(-1, height, width)
    values = feature_range.lowest + levels[:channels].astype(np.float64) * feature_range.step
    return values.astype(np.float32).reshape(shape)


def code_feature(feature: FloatArray, feature_range: FeatureRange, qp: int) -> CodedFeature:
    """Code and decode a feature float32 [C, H, W] or [K] at an HEVC QP 0..51; raises DataError as tile and HevcIntra do."""
    codec = HevcIntra()
    coded = codec.encode(tile(feature, feature_range), qp)
    return CodedFeature(untile(codec.decode(coded.data), feature.shape, feature_range), coded.payload_bytes)


def _cells(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """Channels, height and width of a feature; a vector is channels of one pixel."""
    if len(shape) not in (1, 3) or 0 in shape:
        raise DataError(f"a feature is [C, H, W] or [K] with at least one number, not {shape}; reshape it first")
    return (shape[0], 1, 1) if len(shape) == 1 else (shape[0], shape[1], shape[2])
