"""Pictures that a camera gives of a quiet room, made up: plain areas with edges, and a sensor's noise."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

SIDE = 128


def scene(seed: int = 0, side: int = SIDE) -> NDArray[np.uint8]:
    """Furniture of large plain areas, with a sensor's noise."""
    random = np.random.default_rng(seed)
    pixels = np.full((side, side, 3), random.integers(60, 180), np.float64)
    for _ in range(12):
        y, x = random.integers(0, side, 2)
        height, width = random.integers(side // 8, side // 2, 2)
        pixels[y : y + height, x : x + width] = random.integers(20, 235, 3)
    return noisy(pixels, random)


def noisy(pixels: NDArray[np.float64], random: np.random.Generator, sigma: float = 2.0) -> NDArray[np.uint8]:
    """Return the picture with noise of so many levels, as a sensor's."""
    return np.clip(np.round(pixels + random.normal(0, sigma, pixels.shape)), 0, 255).astype(np.uint8)
