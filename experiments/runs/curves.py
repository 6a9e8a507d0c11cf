"""Rate-performance curves: at which rate a performance is reached (R_p, eq. 4), and how two curves compare.

    (bits per pixel, figure) of some operating points --> Curve --rate_at--> bits per pixel
    two Curves --mean_rate_ratio--> their rates' ratio over the performances that both reach (Bjontegaard's measure)

Law: adding an operating point that is worse than the others at a higher rate changes nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.interpolate import PchipInterpolator

SAMPLES = 200


@dataclass(frozen=True)
class Curve:
    """Operating points that no other one beats, from the fewest bits to the most: bpp rising, score rising.

    score is the figure itself, or its negative where lower is better.
    """

    bpp: npt.NDArray[np.float64]
    score: npt.NDArray[np.float64]

    @classmethod
    def of(cls, points: Sequence[tuple[float, float]], higher_is_better: bool) -> Curve:
        """From (bits per pixel, figure) pairs in any order; raises ValueError if there is none."""
        if not points:
            raise ValueError("a curve needs at least one operating point")
        sign = 1.0 if higher_is_better else -1.0
        kept: list[tuple[float, float]] = []
        for bpp, figure in sorted((bpp, sign * figure) for bpp, figure in points):
            if not kept or figure > kept[-1][1]:
                # of two at one rate, the better
                kept = [*kept[:-1], (bpp, figure)] if kept and kept[-1][0] == bpp else [*kept, (bpp, figure)]
        return cls(np.array([bpp for bpp, _ in kept]), np.array([score for _, score in kept]))

    def rate_at(self, score: float) -> float | None:
        """Bits per pixel at which `score` is reached, interpolated in the rate's logarithm; None if it never is.

        Where the cheapest operating point reaches it already, that point's rate: the true one may be lower.
        """
        if score > self.score[-1]:
            return None
        return float(np.exp(np.interp(score, self.score, np.log(self.bpp))))


def mean_rate_ratio(ours: Curve, other: Curve) -> float | None:
    """Geometric mean of ours / other over the scores that both reach (Bjontegaard 2001, with monotone cubic interpolation).

    None where the curves share no range of scores.
    """
    low = max(ours.score[0], other.score[0])
    high = min(ours.score[-1], other.score[-1])
    if len(ours.bpp) < 2 or len(other.bpp) < 2 or high <= low:
        return None
    at = np.linspace(low, high, SAMPLES)
    difference = [PchipInterpolator(curve.score, np.log(curve.bpp))(at) for curve in (ours, other)]
    return float(np.exp((difference[0] - difference[1]).mean()))


def relative_performance(figure: float, reference: float, higher_is_better: bool) -> float:
    """1 where a figure is the reference's, less where it is worse: figure / reference, or reference / figure where lower is better."""
    return figure / reference if higher_is_better else reference / figure
