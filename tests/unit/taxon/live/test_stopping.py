"""Live commands end when they are told to, and finish what was begun."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator

import pytest

from taxon.live.stopping import Stop, finish, until


@pytest.mark.asyncio
async def test_items_end_at_the_wish_also_while_the_next_one_is_awaited() -> None:
    closed = False

    async def items() -> AsyncIterator[int]:
        nonlocal closed
        try:
            yield 1
            await asyncio.sleep(3600)
        finally:
            closed = True

    stop = Stop()
    stop.after(0.05)
    async with asyncio.timeout(5):
        assert [item async for item in until(items(), stop)] == [1]
    assert closed


@pytest.mark.asyncio
async def test_items_that_end_or_fail_do_so() -> None:
    async def items() -> AsyncIterator[int]:
        yield 1
        raise ValueError("broken")

    stop, found = Stop(), until(items(), Stop())
    assert await anext(found) == 1
    with pytest.raises(ValueError, match="broken"):
        await anext(found)
    assert not stop.wanted


@pytest.mark.asyncio
async def test_work_may_finish_after_the_wish_and_is_cut_after_the_grace() -> None:
    done = []

    async def work(seconds: float) -> None:
        await asyncio.sleep(seconds)
        done.append(seconds)

    stop = Stop()
    stop.set()
    async with asyncio.timeout(5):
        await finish(work(0.05), stop, 2.0)
        await finish(work(3600), stop, 0.05)
        await finish(work(3600), stop, lambda: 0.05)
    assert done == [0.05]


@pytest.mark.asyncio
async def test_what_the_work_raises_is_raised() -> None:
    async def work() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await finish(work(), Stop(), 1.0)


@pytest.mark.asyncio
async def test_the_time_counts_from_the_first_call() -> None:
    stop = Stop()
    stop.after(None)
    stop.after(0.05)
    stop.after(3600)
    assert await stop.wait(2.0)


@pytest.mark.asyncio
async def test_a_first_signal_asks_and_a_second_one_cancels() -> None:
    async def command() -> None:
        stop = Stop()
        stop.on_signals()
        os.kill(os.getpid(), signal.SIGTERM)
        assert await stop.wait(2.0)
        os.kill(os.getpid(), signal.SIGTERM)
        await asyncio.sleep(3600)

    async with asyncio.timeout(5):
        task = asyncio.create_task(command())
        await asyncio.wait({task})
    assert task.cancelled()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().remove_signal_handler(number)
