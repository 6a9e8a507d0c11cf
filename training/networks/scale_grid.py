"""The grid of scales that a latent's Gaussian may have.

Networks predict an index into it, and the export makes a CDF table for each scale.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def gaussian_scales(count: int = 64, lowest: float = 0.11, highest: float = 32.0) -> NDArray[np.float64]:
    """Return the standard deviation behind each scale index: `lowest * (highest/lowest)^(i / (count - 1))`, float64 [count].

    Index 0 is coded as certain. At 0.11 a symbol differs from its rounded mean once in 180 000 if the mean is a whole number.
    Training has to see that index 0 is final: the encoder sets z to the rounded mean there.
    """
    return lowest * (highest / lowest) ** (np.arange(count, dtype=np.float64) / (count - 1))
