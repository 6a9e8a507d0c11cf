from __future__ import annotations

import asyncio

import pytest

from shared.server.cancellation import ended
from shared.transport.addresses import Targets


def test_targets_go_round() -> None:
    targets = Targets("a:1, b:2,c:3")
    seen = []
    for _ in range(4):
        seen.append(targets.current)
        targets.next()
    assert seen == ["a:1", "b:2", "c:3", "a:1"]
    one = Targets("a:1", "edge")
    one.next()
    assert (len(one), one.current) == (1, "a:1")


def test_clients_of_different_names_begin_at_different_targets_evenly() -> None:
    begins = [Targets("a:1,b:2,c:3", f"edge-{number}").current for number in range(3000)]
    assert all(800 < begins.count(target) < 1200 for target in ("a:1", "b:2", "c:3"))
    assert Targets("a:1,b:2", "same").current == Targets("a:1,b:2", "same").current


@pytest.mark.asyncio
async def test_a_task_that_swallows_its_cancellation_ends_too() -> None:
    swallowed = 0

    async def stubborn() -> None:
        nonlocal swallowed
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                if swallowed:
                    raise
                swallowed += 1

    task = asyncio.create_task(stubborn())
    await asyncio.sleep(0)
    await asyncio.wait_for(ended([task]), 5)
    assert (task.done(), swallowed) == (True, 1)
