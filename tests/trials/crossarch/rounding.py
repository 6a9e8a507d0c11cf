"""The processor's rounding mode, which any library of a process may change: set and asked through the C library.

with rounded("upward"): ...        arithmetic of this thread rounds upward; NumPy's, Python's and OpenBLAS' alike
"""

from __future__ import annotations

import ctypes
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

NEAREST = "nearest"
_NUMBERS: Mapping[str, Mapping[str, int]] = {
    "x86_64": {NEAREST: 0, "downward": 0x400, "upward": 0x800, "zero": 0xC00},
    "aarch64": {NEAREST: 0, "upward": 0x400000, "downward": 0x800000, "zero": 0xC00000},
}
"""FE_TONEAREST and its like in <fenv.h> are the processor's own bits."""
MODES = tuple(mode for mode in _NUMBERS["x86_64"] if mode != NEAREST)


def set_rounding(mode: str) -> None:
    """Set the mode of this thread and of those that it starts from now on; raises KeyError for an unknown mode or processor."""
    assert ctypes.CDLL(None).fesetround(_NUMBERS[platform.machine()][mode]) == 0


def rounding() -> str:
    """Return the mode of the calling thread."""
    number = ctypes.CDLL(None).fegetround()
    return next(mode for mode, its in _NUMBERS[platform.machine()].items() if its == number)


@contextmanager
def rounded(mode: str) -> Iterator[None]:
    """Keep the mode within; nearest afterwards."""
    set_rounding(mode)
    try:
        yield
    finally:
        set_rounding(NEAREST)
