"""The memory of services that are started again and again, which must not grow the longer all of it goes on.

    Memory.watch --every half second--> (life, age, RSS)          growth(kind) -> Growth

Like is compared with like: a service's memory at one age (AGES_SECONDS after its start) in its early lives and in its late ones, and
within each life what it gained after that age. Law: neither is above `ALLOWED_BYTES`.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from tests.support.services import ServiceProcess, signs

AGES_SECONDS = (6.0, 12.0)
"""A life is looked at between these ages: it is warm then, and most lives reach them."""
ALLOWED_BYTES = 32e6
"""Allocators and caches vary by less. A leak of 1 kB a frame would be 30 MB after ten minutes at 48 frames a second."""
SAMPLE_SECONDS = 0.5


@dataclass(frozen=True)
class Growth:
    """Growth. lives: those that reached the age. across_bytes: from early lives to late ones. within_bytes: the most in one life."""

    lives: int
    first_bytes: float
    across_bytes: float
    within_bytes: float

    @property
    def is_flat(self) -> bool:
        """Return True where the law was kept."""
        return max(self.across_bytes, self.within_bytes) <= ALLOWED_BYTES


@dataclass
class Memory:
    """The memory of some services. A life is one process."""

    services: Sequence[ServiceProcess]
    _lives: dict[str, dict[int, list[tuple[float, int]]]] = field(default_factory=lambda: defaultdict(dict))

    async def watch(self) -> None:
        """Watch until it is cancelled."""
        born: dict[int, float] = {}
        while True:
            for service in self.services:
                if (process := service.process) is None or process.returncode is not None:
                    continue
                age = time.monotonic() - born.setdefault(process.pid, time.monotonic())
                with suppress(FileNotFoundError, ProcessLookupError):
                    samples = self._lives[service.kind].setdefault(process.pid, [])
                    samples.append((age, signs(service).resident_bytes))
            await asyncio.sleep(SAMPLE_SECONDS)

    def growth(self, kind: str) -> Growth | None:
        """Return the growth of a kind of service; None where no life reached the age."""
        youngest, oldest = AGES_SECONDS
        at_age: list[float] = []
        within = 0.0
        for life in self._lives[kind].values():
            warm = [resident for age, resident in life if youngest <= age <= oldest]
            if not warm:
                continue
            at_age.append(statistics.median(warm))
            later = [resident for age, resident in life if age > oldest]
            within = max(within, statistics.median(later[-5:]) - at_age[-1] if later else 0.0)
        if not at_age:
            return None
        third = max(1, len(at_age) // 3)
        across = statistics.median(at_age[-third:]) - statistics.median(at_age[:third])
        return Growth(len(at_age), statistics.median(at_age[:third]), across, within)
