"""A machine whose time passes when a test says so, and whose time of day is set as a test likes.

machine.pass_seconds(60)    machine.of_day += 3e8    machine.reboot()    Spool(..., clock=machine.now, uptime=machine.uptime)
"""

from __future__ import annotations

from dataclasses import dataclass

from shared.contract.packets import MICROSECONDS
from shared.server.running_clock import Uptime


@dataclass
class Machine:
    """of_day: seconds since 1970, right or wrong. since_boot: seconds."""

    of_day: float = 1_772_366_400.25
    since_boot: float = 1000.0
    boots: int = 1

    def pass_seconds(self, seconds: float) -> None:
        """Let time pass, on both clocks."""
        self.of_day += seconds
        self.since_boot += seconds

    def reboot(self, uptime_seconds: float = 20.0) -> None:
        """Begin another boot. Its time of day is that of before, until a test sets it."""
        self.boots += 1
        self.since_boot = uptime_seconds

    def now(self) -> float:
        """Return the time of day."""
        return self.of_day

    def uptime(self) -> Uptime:
        """Return the uptime, as the services ask for it."""
        return Uptime(f"boot-{self.boots}", round(self.since_boot * MICROSECONDS))
