"""Players at run time: each follows its own camera's plan, and a camera that hangs delays nobody."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from edge_encoder.cameras.book import PlanBook
from edge_encoder.cameras.plan import CameraPlan, QueuePolicy
from edge_encoder.cameras.rules import CameraDefaults, CameraRules
from edge_encoder.ingest import players as module
from edge_encoder.ingest.players import Players
from edge_encoder.settings import SourceSetting


class Stage:
    """Notes who plays. hanging: specs whose players do not stop when they are told to; ending: those that end at once."""

    def __init__(self) -> None:
        self.events: list[str] = []
        self.hanging: set[str] = set()
        self.ending: set[str] = set()
        self.released = asyncio.Event()

    def make(self, setting: SourceSetting, policy: QueuePolicy) -> StagePlayer:
        return StagePlayer(self, f"{setting.camera_id}={setting.spec}@{setting.fps},{policy}", setting.spec)


class StagePlayer:
    def __init__(self, stage: Stage, name: str, spec: str) -> None:
        self._stage, self._name, self._spec = stage, name, spec

    async def run(self) -> None:
        self._stage.events.append(f"+{self._name}")
        try:
            if self._spec not in self._stage.ending:
                await asyncio.Event().wait()
        finally:
            while self._spec in self._stage.hanging and not self._stage.released.is_set():
                with suppress(asyncio.CancelledError):
                    await self._stage.released.wait()
            self._stage.events.append(f"-{self._name}")


@asynccontextmanager
async def playing(book: PlanBook, stage: Stage) -> AsyncIterator[Players]:
    players = Players(book, CameraRules(book, CameraDefaults()), stage.make)
    runs = asyncio.create_task(players.run())
    try:
        await asyncio.sleep(0.01)
        yield players
    finally:
        stage.released.set()
        runs.cancel()
        await asyncio.gather(runs, return_exceptions=True)


@pytest.mark.asyncio
async def test_a_change_stops_and_starts_that_camera_alone() -> None:
    book, stage = PlanBook([CameraPlan("line", source="l")]), Stage()
    async with playing(book, stage):
        assert stage.events == ["+line=l@None,newest"]
        await book.put(CameraPlan("hall", source="h", fps=2.0))
        await book.put(CameraPlan("post"))
        await asyncio.sleep(0.05)
        assert stage.events[1:] == ["+hall=h@2.0,newest"]
        # What a player does not depend on leaves it alone.
        await book.put(CameraPlan("hall", source="h", fps=2.0, most_fps=1.0, budget_kbps=4.0, rate=1))
        await asyncio.sleep(0.05)
        assert len(stage.events) == 2
        await book.put(CameraPlan("hall", source="other", queue_policy="all"))
        await asyncio.sleep(0.05)
        assert stage.events[2:] == ["-hall=h@2.0,newest", "+hall=other@None,all"]
        await book.pause("hall", paused=True)
        await asyncio.sleep(0.05)
        await book.pause("hall", paused=False)
        await asyncio.sleep(0.05)
        assert stage.events[4:] == ["-hall=other@None,all", "+hall=other@None,all"]
        await book.remove("hall")
        await book.pause("line", paused=True)
        await asyncio.sleep(0.05)
        assert stage.events[6:] == ["-hall=other@None,all", "-line=l@None,newest"]
    assert sorted(one[1:] for one in stage.events if one[0] == "+") == sorted(
        one[1:] for one in stage.events if one[0] == "-"
    )


@pytest.mark.asyncio
async def test_a_source_that_has_ended_is_played_again_only_when_its_camera_changes() -> None:
    book, stage = PlanBook([CameraPlan("line", source="short")]), Stage()
    stage.ending.add("short")
    async with playing(book, stage) as players:
        await book.put(CameraPlan("other", source="x"))
        await asyncio.sleep(0.05)
        assert stage.events.count("+line=short@None,newest") == 1
        await book.pause("line", paused=True)
        await book.pause("line", paused=False)
        await asyncio.sleep(0.05)
        assert not [event for event in stage.events if event.startswith("-other")]
        failing = asyncio.create_task(players.supervisor.failed())
        await asyncio.sleep(0)
        assert not failing.done(), "neither an end nor a stop is a failure"
        failing.cancel()


@pytest.mark.asyncio
async def test_a_camera_that_hangs_is_left_after_a_bounded_time_and_delays_no_other(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(module, "STOP_SECONDS", 0.3)
    book, stage = PlanBook(), Stage()
    stage.hanging.add("stuck")
    async with playing(book, stage):
        await book.put(CameraPlan("hall", source="stuck"))
        await asyncio.sleep(0.05)
        await book.put(CameraPlan("hall", source="mended"))
        await book.put(CameraPlan("door", source="d"))
        await asyncio.sleep(0.05)
        assert stage.events == ["+hall=stuck@None,newest", "+door=d@None,newest"]
        await asyncio.sleep(0.5)
        assert stage.events[2:] == ["+hall=mended@None,newest"]


@pytest.mark.asyncio
async def test_quick_changes_leave_one_player_and_it_is_the_last() -> None:
    book, stage = PlanBook(), Stage()
    async with playing(book, stage):
        for number in range(20):
            await book.put(CameraPlan("hall", source=f"s{number}"))
            if number % 3 == 0:
                await asyncio.sleep(0)
        await asyncio.sleep(0.3)
        begun = [event[1:] for event in stage.events if event[0] == "+"]
        ended = [event[1:] for event in stage.events if event[0] == "-"]
        assert begun[-1] == "hall=s19@None,newest"
        assert ended == begun[:-1], "an earlier one has ended before a later one begins"
