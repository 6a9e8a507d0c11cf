"""What a process holds, as the kernel counts it, and whether it grows.

signs(service) -> Signs          slope(seconds, values) -> change a second, by least squares
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.support.services import ServiceProcess

_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Signs:
    """Of one process. resident_bytes: RSS. descriptors: open ones. threads: the kernel's."""

    resident_bytes: int
    descriptors: int
    threads: int


def signs(service: ServiceProcess) -> Signs:
    """Now; raises FileNotFoundError or ProcessLookupError for a process that is gone."""
    assert service.process is not None
    folder = Path(f"/proc/{service.process.pid}")
    resident = int((folder / "statm").read_text().split()[1]) * _PAGE_BYTES
    return Signs(resident, len(list((folder / "fd").iterdir())), len(list((folder / "task").iterdir())))


def slope(seconds: Sequence[float], values: Sequence[float]) -> float:
    """The least-squares line's rise a second; 0 for fewer than two values."""
    if len(values) < 2:
        return 0.0
    return float(np.polyfit(np.asarray(seconds) - seconds[0], values, 1)[0])
