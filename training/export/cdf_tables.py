"""Build a bundle's integer CDF tables: Gaussians, quantised once, at export.

    scales --gaussian_cdf_tables--> radius, offset, cdf --save_cdf_tables--> cdf_tables.npz

Table (s, f) is the density of round(X), X ~ N((f - 8)/16, scale_s) (paper 3.1, q(z|v)), in 2^16 parts.
Law: every symbol keeps at least one part, the escape included, so that every integer can be coded.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from shared.codec.cdf_tables import FRACTIONS
from training.networks.codec_spec import gaussian_scales

_TOTAL = 1 << 16
_TAIL = 2.0**-14
_MAXIMUM_RADIUS = 96


@dataclass(frozen=True)
class CdfArrays:
    """The arrays of `cdf_tables.npz`, by name.

    radius int32 [S], offset int32 [S, 16], cdf uint32 [total], scale float64 [S]. Row 0 is the certain symbol: its
    offsets are 0 and are never used.
    """

    radius: NDArray[np.int32]
    offset: NDArray[np.int32]
    cdf: NDArray[np.uint32]
    scale: NDArray[np.float64]


def gaussian_cdf_tables(scales: NDArray[np.float64]) -> CdfArrays:
    """Tables for the given standard deviations, float64 [S], strictly positive; index 0 gets none.

    The radius is the smallest that leaves at most 2^-14 of the mass to the escape at every fraction, and at most 96.
    """
    if scales.ndim != 1 or scales.size < 2 or bool(np.any(scales <= 0)):
        raise ValueError(f"scales must be at least two positive numbers in one dimension, not {scales!r}")
    radius = np.zeros(scales.size, np.int32)
    offset = np.zeros((scales.size, FRACTIONS), np.int32)
    tables: list[NDArray[np.uint32]] = []
    begin = 0
    for s in range(1, scales.size):
        radius[s] = _radius(float(scales[s]))
        for f in range(FRACTIONS):
            table = _table((f - 8) / 16, float(scales[s]), int(radius[s]))
            offset[s, f] = begin
            begin += table.size
            tables.append(table)
    return CdfArrays(radius, offset, np.concatenate(tables), scales.astype(np.float64))


def save_cdf_tables(path: Path, scales: NDArray[np.float64] | None = None) -> CdfArrays:
    """Write `cdf_tables.npz` (for `gaussian_scales()` unless told otherwise) and return what was written."""
    arrays = gaussian_cdf_tables(gaussian_scales() if scales is None else scales)
    with path.open("wb") as file:
        np.savez_compressed(file, radius=arrays.radius, offset=arrays.offset, cdf=arrays.cdf, scale=arrays.scale)
    return arrays


def _radius(scale: float) -> int:
    candidates = np.arange(1, _MAXIMUM_RADIUS + 1)
    # The mean lies in -1/2..7/16, so the lower tail of the fraction 0 is the heaviest.
    outside = ndtr((-candidates - 0.5 + 0.5) / scale) + ndtr(-(candidates + 0.5 + 0.5) / scale)
    enough = np.flatnonzero(outside <= _TAIL)
    return int(candidates[enough[0]]) if enough.size else _MAXIMUM_RADIUS


def _table(mean: float, scale: float, radius: int) -> NDArray[np.uint32]:
    """0, then the running sums of 2*radius + 2 frequencies: the values, and the escape with both tails."""
    edges = (np.arange(-radius, radius + 2) - 0.5 - mean) / scale
    # ndtr loses the upper tail to rounding; by symmetry take each bin from the side where it is small.
    lower, upper = edges[:-1], edges[1:]
    mass = np.where(lower > 0, ndtr(-lower) - ndtr(-upper), ndtr(upper) - ndtr(lower))
    escape = ndtr(edges[0]) + ndtr(-edges[-1])
    probability = np.append(mass, escape)
    # Every symbol gets one part, and the rest goes by largest remainder.
    spare = _TOTAL - probability.size
    share = probability / probability.sum() * spare
    frequency = np.floor(share).astype(np.int64)
    left_over = spare - int(frequency.sum())
    frequency[np.argsort(frequency - share, kind="stable")[:left_over]] += 1
    table = np.zeros(frequency.size + 1, np.uint32)
    table[1:] = np.cumsum(frequency + 1)
    return table
