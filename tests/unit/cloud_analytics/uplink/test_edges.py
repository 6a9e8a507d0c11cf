"""Which camera belongs to which edge."""

from __future__ import annotations

import asyncio

import pytest

from cloud_analytics.journal.storage import QUIET_SECONDS
from cloud_analytics.uplink import edges
from cloud_analytics.uplink.edges import Uplinks
from shared.errors import BadRequest, Busy, CameraTaken, Draining, Superseded
from tests.support.cloud import metrics, value


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@pytest.mark.asyncio
async def test_a_camera_is_one_edge_s_until_it_leaves() -> None:
    counted = metrics()
    uplinks = Uplinks(2, counted)
    first, second = uplinks.join("first"), uplinks.join("second")
    with pytest.raises(Busy):
        uplinks.join("third")
    uplinks.claim(first, ["door", "hall"])
    with pytest.raises(CameraTaken, match="camera door is sent by the connected edge first"):
        uplinks.claim(second, ["door"])
    uplinks.leave(first)
    uplinks.claim(second, ["door"])
    assert (uplinks.connected("first"), uplinks.connected("second")) == (False, True)
    assert value(counted, "taxon_cloud_uplinks_connected") == 1


@pytest.mark.asyncio
async def test_a_camera_that_was_moved_is_the_other_edge_s_once_the_first_is_quiet() -> None:
    clock = Clock()
    uplinks = Uplinks(2, metrics(), clock)
    first, second = uplinks.join("first"), uplinks.join("second")
    uplinks.announce(first, ["door", "hall"])
    uplinks.announce(second, ["door"])
    assert uplinks.senders["door"] == "first", "an announcement takes nothing, and refuses nobody"
    uplinks.claim(first, ["door"])
    with pytest.raises(CameraTaken):
        uplinks.claim(second, ["door"])
    clock.seconds += QUIET_SECONDS
    uplinks.claim(second, ["door"])
    assert uplinks.senders == {"door": "second", "hall": "first"}
    with pytest.raises(CameraTaken):
        uplinks.claim(first, ["door"])
    uplinks.leave(second)
    assert uplinks.senders["door"] == "first"
    uplinks.claim(first, ["door"])
    uplinks.leave(first)
    assert not uplinks.senders


@pytest.mark.asyncio
async def test_names_without_end_lock_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edges, "MOST_CAMERAS", 12)
    monkeypatch.setattr(edges, "MOST_OF_EDGE", 8)
    uplinks = Uplinks(4, metrics())
    flood = [uplinks.join(f"flood{number}", "greedy") for number in range(2)]
    uplinks.announce(flood[0], [f"a{number}" for number in range(8)])
    uplinks.announce(flood[0], ["a0"])
    with pytest.raises(BadRequest, match="an edge names at most 8 cameras"):
        uplinks.announce(flood[0], ["a8"])
    with pytest.raises(Busy):
        uplinks.announce(flood[1], [f"b{number}" for number in range(8)])
    assert len(uplinks.senders) == 12
    modest = uplinks.join("modest", "modest")
    uplinks.announce(modest, ["hall", "door"])
    uplinks.claim(modest, ["hall"])
    assert {"hall", "door"} <= uplinks.senders.keys()
    assert len(uplinks.senders) == 12
    for edge in (*flood, modest):
        uplinks.leave(edge)
    assert not uplinks.senders
    uplinks.announce(uplinks.join("modest", "modest"), ["hall"])


@pytest.mark.asyncio
async def test_an_edge_that_comes_again_takes_its_own_cameras_along() -> None:
    uplinks = Uplinks(1, metrics())
    dead = uplinks.join("edge")
    uplinks.claim(dead, ["door"])
    again = uplinks.join("edge")
    assert isinstance(dead.stopping.result(), Superseded)
    uplinks.claim(again, ["door"])
    with pytest.raises(Superseded):
        uplinks.claim(dead, ["hall"])
    uplinks.leave(dead)
    assert uplinks.connected("edge"), "the dead connection's end is not the living one's"
    uplinks.leave(again)
    await uplinks.stop(Superseded("edge"))


@pytest.mark.asyncio
async def test_an_edge_whose_hello_comes_after_the_stop_does_not_hold_it_up() -> None:
    uplinks = Uplinks(2, metrics())
    connected = uplinks.join("connected")
    stop = asyncio.create_task(uplinks.stop(Draining()))
    await asyncio.sleep(0)
    with pytest.raises(Draining):
        uplinks.join("late")
    uplinks.leave(connected)
    await asyncio.wait_for(stop, 5)
