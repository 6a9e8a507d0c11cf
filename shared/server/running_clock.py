"""A clock that nobody sets: for how long a folder's content has been kept, counted over restarts.

    kept text, uptime --RunningClock--> now_us, which never falls --kept--> text, written beside what it dates

Within a process the system's monotonic time is counted, that of sleep included. Over a restart the uptime tells how long
nothing ran, where both processes belong to one boot of the machine. After another boot only the time since that boot counts:
how long the machine was off cannot be told from a clock that may be wrong.

Law: the clock never counts more than what has really passed, and no setting of the time of day moves it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from shared.contract.packets import MICROSECONDS

_BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
_UPTIME = Path("/proc/uptime")


@dataclass(frozen=True)
class Uptime:
    """The time since the machine began. boot: the id of this boot; empty where the system tells none."""

    boot: str
    since_boot_us: int


@dataclass(frozen=True)
class Moment:
    """A moment by the time of day, which may be wrong, and by a running clock."""

    of_day_us: int
    running_us: int


def system_uptime() -> Callable[[], Uptime]:
    """Return a clock of the machine's uptime."""
    steady = _steady_seconds()
    try:
        boot = _BOOT_ID.read_text().strip()
        ahead_us = round(float(_UPTIME.read_text().split()[0]) * MICROSECONDS) - round(steady() * MICROSECONDS)
    except (OSError, ValueError, IndexError):
        # What was kept by an earlier process cannot be compared: nothing is counted for the time between.
        boot, ahead_us = "", -round(steady() * MICROSECONDS)
    return lambda: Uptime(boot, max(0, round(steady() * MICROSECONDS) + ahead_us))


class RunningClock:
    """kept: what `kept` returned last, in an earlier process; empty for none. uptime: as of `system_uptime`."""

    def __init__(self, kept: str = "", uptime: Callable[[], Uptime] | None = None) -> None:
        self._uptime = system_uptime() if uptime is None else uptime
        self._opened = self._uptime()
        self._before_us = _counted_us(kept, self._opened)

    def now_us(self) -> int:
        """Return the microseconds that have been counted."""
        return self._before_us + max(0, self._uptime().since_boot_us - self._opened.since_boot_us)

    def now(self) -> float:
        """Return the same in seconds."""
        return self.now_us() / MICROSECONDS

    def kept(self) -> str:
        """Return the state that the next process goes on from."""
        uptime = self._uptime()
        ran_us = self._before_us + max(0, uptime.since_boot_us - self._opened.since_boot_us)
        return f"{ran_us} {uptime.since_boot_us} {uptime.boot}"


def _steady_seconds() -> Callable[[], float]:
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic if clock is None else lambda: time.clock_gettime(clock)


def _counted_us(kept: str, now: Uptime) -> int:
    """Return what an earlier process had counted, and what has passed since then for certain."""
    ran, _, rest = kept.partition(" ")
    since_boot, _, boot = rest.partition(" ")
    if not (ran.isdigit() and since_boot.isdigit()):
        return 0
    if not now.boot or not boot:
        return int(ran)
    if boot == now.boot and now.since_boot_us >= int(since_boot):
        return int(ran) + now.since_boot_us - int(since_boot)
    return int(ran) + now.since_boot_us
