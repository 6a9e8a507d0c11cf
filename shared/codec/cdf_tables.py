"""The integer CDF tables of a bundle: they are read, checked, and looked up for many symbols at once.

A table belongs to a scale index s (1..S-1) and a fraction f (0..15). It holds 2*radius + 1 values, then the escape:

    value:      -radius ... radius  escape
    cdf:     0 = c_0 < c_1 < ...  < c_{2*radius+2} = 2^16

Law: tables are data of the bundle. They are never computed here, so that no two machines can differ in them.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from shared.codec.npz import read_integer_arrays
from shared.codec.range_coder import FREQUENCY_BITS
from shared.errors import BundleError

IntArray = NDArray[np.int64]

FRACTIONS = 16
"""Means are resolved to sixteenths (the "fraction" of a table)."""

_TOTAL = 1 << FREQUENCY_BITS


@dataclass(frozen=True, eq=False)
class CdfTables:
    """All tables of a bundle, with plain-list copies for the coder's inner loop.

    radius: int64 [S]; entry 0 is not used (scale index 0 is the certain symbol, for which nothing is coded).
    offset: int64 [S, 16], where table (s, f) begins in `cdf`.
    cdf: int64 [total].
    lists: entry 16*s + f is table (s, f) as a list of 2*radius + 3 integers; empty for s = 0.
    """

    radius: IntArray
    offset: IntArray
    cdf: IntArray
    lists: tuple[list[int], ...]

    @classmethod
    def load(cls, path: Path) -> CdfTables:
        """Read and check `cdf_tables.npz`; raises BundleError."""
        arrays = read_integer_arrays(path, ("radius", "offset", "cdf"))
        return cls.checked(arrays["radius"], arrays["offset"], arrays["cdf"], str(path))

    @classmethod
    def checked(cls, radius: IntArray, offset: IntArray, cdf: IntArray, origin: str = "CDF tables") -> CdfTables:
        """Return the tables if every one rises strictly from 0 to 2^16; raises BundleError that names `origin`."""
        count = radius.size
        if radius.ndim != 1 or count < 2 or offset.shape != (count, FRACTIONS) or cdf.ndim != 1:
            raise BundleError(
                origin, "radius must be [S], S >= 2, offset [S, 16] and cdf [total]; export the bundle again"
            )
        lists: list[list[int]] = [[] for _ in range(FRACTIONS)]
        for s in range(1, count):
            for f in range(FRACTIONS):
                begin, length = int(offset[s, f]), 2 * int(radius[s]) + 3
                if length < 3 or begin < 0 or begin + length > cdf.size:
                    raise BundleError(origin, f"table (scale {s}, fraction {f}) lies outside the array cdf")
                table = cdf[begin : begin + length]
                # Compared, not subtracted: a difference of 64-bit integers can wrap around to a small one.
                if table[0] != 0 or table[-1] != _TOTAL or bool(np.any(table[1:] <= table[:-1])):
                    raise BundleError(origin, f"table (scale {s}, fraction {f}) does not rise strictly from 0 to 2^16")
                lists.append(table.tolist())
        return cls(radius, offset, cdf, tuple(lists))

    @property
    def scales(self) -> int:
        """S, the number of scale indices, with the certain one."""
        return int(self.radius.size)

    def lookup(self, values: IntArray, scale: IntArray, fraction: IntArray) -> tuple[IntArray, IntArray, IntArray]:
        """Find each value in its table: (start, frequency, excess), int64 [n] each.

        values: the coded symbols, int64 [n]. scale: indices 1..S-1, int64 [n]. fraction: 0..15, int64 [n]. The excess
        is |value| - radius. Where it is positive, start and frequency are the escape's.
        """
        radius = self.radius[scale]
        excess = np.abs(values) - radius
        index = np.where(excess > 0, 2 * radius + 1, values + radius) + self.offset[scale, fraction]
        start = self.cdf[index]
        return start, self.cdf[index + 1] - start, excess

    def cross_entropy_bits(self, values: IntArray, scale: IntArray, fraction: IntArray) -> NDArray[np.float64]:
        """Return the bits that each value is worth under the tables (paper eq. 6), with its escape: float64 [n].

        Scale index 0 is allowed here and is worth nothing.
        """
        bits = np.zeros(values.shape, np.float64)
        coded = np.flatnonzero(scale > 0)
        _, frequency, excess = self.lookup(values[coded], scale[coded], fraction[coded])
        worth = FREQUENCY_BITS - np.log2(frequency)
        escaped = excess > 0
        # The sign, and Exp-Golomb's 2*floor(log2(excess)) + 1 bits; frexp's exponent is floor(log2) + 1, exactly.
        _, exponent = np.frexp(excess[escaped].astype(np.float64))
        worth[escaped] += 2 * exponent
        bits[coded] = worth
        return bits
