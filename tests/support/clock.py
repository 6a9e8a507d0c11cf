"""A clock that can be set for one process alone, while it runs: Debian's libfaketime, which reads the offset from a file.

    clock = WrongClock(folder)      ServiceProcess(..., environment=clock.environment)      clock.set(-3600.0)

Only the time of day is wrong: what measures durations (the monotonic clock) goes on, as on a machine whose clock NTP sets back.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

_FOUND = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
HAS_WRONG_CLOCK = bool(_FOUND)
needs_wrong_clock = pytest.mark.skipif(
    not HAS_WRONG_CLOCK, reason="needs libfaketime (Debian: apt-get install faketime)"
)

KEPT_SECONDS = 2.0
"""After this time a process reads its new clock."""


class WrongClock:
    """A clock that is right at first. path: the file that holds its offset."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._path = path
        self.set(0.0)

    @property
    def environment(self) -> Mapping[str, str]:
        """Return the variables of a process that shall go by this clock."""
        return {
            "LD_PRELOAD": str(_FOUND[0]),
            "FAKETIME_TIMESTAMP_FILE": str(self._path),
            # Reading the file at each look at the clock, one thread at a time, takes gRPC both processor cores.
            "FAKETIME_CACHE_DURATION": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }

    def set(self, offset_seconds: float) -> None:
        """Set how far it is ahead of the true time; a process follows within `KEPT_SECONDS`."""
        written = self._path.with_suffix(".new")
        written.write_text(f"{offset_seconds:+f}\n")
        written.replace(self._path)
