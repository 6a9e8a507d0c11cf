"""The faults, each from its beginning to its end; `Faults.kinds` names those that this machine can do.

What each draws (how long, how often, which way) comes from its step's own Random, so that a seed's faults can be had again.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from functools import partial

from tests.support.clock import KEPT_SECONDS
from tests.support.disk import tear
from tests.support.network import Link
from tests.support.services import ServiceProcess
from tests.trials.chaos.report import Report
from tests.trials.chaos.sources import BreakingSources
from tests.trials.chaos.stack import STORM, USUAL, Stack

FULL_SECONDS = (2.0, 6.0)
REFUSED_WITHIN_SECONDS = 30.0
YEARS_SECONDS = 8 * 365.25 * 86400.0
"""More than any age that a spool or a journal has as its bound: frames would go if a jump of the clock made them older."""
OFFSETS_SECONDS = (-YEARS_SECONDS, -7200.0, -60.0, -1.0, 0.0, 1.0, 60.0, YEARS_SECONDS)
ANSWERED_SECONDS = 3.0
"""After the disk has room again: until the answers of what was under way are with the cameras."""

Fault = Callable[[random.Random], Awaitable[None]]


class Faults:
    """The faults of a stack. report: told whether the disk is full."""

    def __init__(self, stack: Stack, report: Report) -> None:
        self._stack = stack
        self._report = report
        self._room_again: asyncio.TimerHandle | None = None
        self.kinds: Mapping[str, Fault] = self._kinds()

    def _kinds(self) -> dict[str, Fault]:
        stack = self._stack
        kinds: dict[str, Fault] = {
            "cloud killed": partial(self._killed, stack.cloud),
            "cloud stopped": partial(self._stopped, stack.cloud),
            "edge killed": partial(self._killed, stack.edge),
            "edge stopped": partial(self._stopped, stack.edge),
            "edge killed and its spool torn": self._torn,
            "uplink cut": partial(self._cut, stack.uplink),
            "results cut": partial(self._cut, stack.results),
        }
        if stack.sources is not None:
            kinds["sources broken, each in its way"] = partial(self._sources_broken, stack.sources)
        if stack.network is not None:
            kinds["uplink in a storm"] = self._storm
        if stack.disk is not None:
            kinds["edge with a full disk"] = self._full
        for service in (stack.edge, stack.cloud):
            if service.kind in stack.clocks:
                kinds[f"{service.kind}'s clock set"] = partial(self._clock_set, service.kind)
                kinds[f"{service.kind} restarted with its clock set"] = partial(self._restarted_with_clock_set, service)
        return kinds

    async def _killed(self, service: ServiceProcess, draw: random.Random) -> None:
        await service.kill()
        await _again(service, draw)

    async def _stopped(self, service: ServiceProcess, draw: random.Random) -> None:
        status = await service.stop()
        assert status == 0, f"{service.kind} ended with {status}: {service.log.read_text()[-2000:]}"
        await _again(service, draw)

    async def _torn(self, draw: random.Random) -> None:
        """Cut the power: damage what the disk had not been told to keep (see `tests.support.disk`)."""
        await self._stack.edge.kill()
        torn = await asyncio.to_thread(tear, self._stack.spool, draw)
        print(f"  torn: {torn}", flush=True)
        await _again(self._stack.edge, draw)
        aside = list(self._stack.spool.glob("*.damaged-*"))
        assert not aside, f"a torn write was taken for damage, and accepted frames were set aside: {aside}, {torn}"

    async def _full(self, draw: random.Random) -> None:
        """Leave no byte free, from just after a start (the log is short then, and has to grow) until frames were refused for a while."""
        disk, report = self._stack.disk, self._report
        assert disk is not None
        status = await self._stack.edge.stop()
        assert status == 0, f"the edge ended with {status}: {self._stack.edge.log.read_text()[-2000:]}"
        await self._stack.edge.start()
        if self._room_again is not None:
            # It was full a moment ago, and is again.
            self._room_again.cancel()
        report.disk_is_full = True
        before = report.refusals.total()
        try:
            taken = await asyncio.to_thread(disk.fill)
            async with asyncio.timeout(REFUSED_WITHIN_SECONDS):
                while report.refusals.total() == before:
                    self._stack.check()
                    await asyncio.sleep(0.05)
            await asyncio.sleep(draw.uniform(*FULL_SECONDS))
        except TimeoutError as error:
            raise AssertionError(
                f"the edge's disk was full for {REFUSED_WITHIN_SECONDS:g} s, and no frame refused"
            ) from error
        finally:
            await asyncio.to_thread(disk.free)
        print(f"  full: {taken >> 10} KiB taken, {report.refusals.total() - before} frames refused", flush=True)
        self._room_again = asyncio.get_running_loop().call_later(ANSWERED_SECONDS, self._has_room)

    def _has_room(self) -> None:
        self._report.disk_is_full = False

    async def _cut(self, link: Link, draw: random.Random) -> None:
        if draw.random() < 0.5:
            # What was sent meanwhile is lost with the connection, though both sides' systems took it.
            link.hold()
            await asyncio.sleep(draw.uniform(0.0, 2.0))
        link.cut()
        await asyncio.sleep(draw.uniform(0.0, 3.0))
        link.mend()

    async def _sources_broken(self, sources: BreakingSources, _: random.Random) -> None:
        self._report.source_states = await sources.break_all(self._stack.edge)
        print(f"  seen: {self._report.sources_told()}", flush=True)

    async def _storm(self, draw: random.Random) -> None:
        assert self._stack.network is not None
        self._stack.network.weather = STORM
        await asyncio.sleep(draw.uniform(1.0, 8.0))
        self._stack.network.weather = USUAL

    async def _clock_set(self, kind: str, draw: random.Random) -> None:
        """Set the clock ahead of the true time or behind it; the next time from there."""
        self._stack.clocks[kind].set(draw.choice(OFFSETS_SECONDS))
        await asyncio.sleep(KEPT_SECONDS)

    async def _restarted_with_clock_set(self, service: ServiceProcess, draw: random.Random) -> None:
        """End the service and start it at another time of day, as a machine without a battery clock does."""
        await draw.choice((service.kill, service.stop))()
        self._stack.clocks[service.kind].set(draw.choice(OFFSETS_SECONDS))
        await _again(service, draw)


async def _again(service: ServiceProcess, draw: random.Random) -> None:
    """Start it after a while; now and then kill or stop it once more during its start."""
    await asyncio.sleep(draw.uniform(0.0, 1.5))
    if draw.random() < 0.3:
        starting = asyncio.create_task(service.start())
        await asyncio.sleep(draw.uniform(0.3, 2.0))
        starting.cancel()
        await asyncio.gather(starting, return_exceptions=True)
        await draw.choice((service.kill, service.stop))()
    await service.start()
