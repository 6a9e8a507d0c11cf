from __future__ import annotations

import asyncio

import pytest

from edge_encoder.control.backpressure import Backpressure


@pytest.mark.asyncio
async def test_policy_all_and_a_drain_hold_nothing_back() -> None:
    kept = Backpressure(is_live=False)
    kept.behind(True)
    assert not kept.is_behind
    live = Backpressure(is_live=True)
    live.behind(True)
    waits = asyncio.create_task(live.kept_up())
    await asyncio.sleep(0)
    assert not waits.done()
    live.release()
    await asyncio.wait_for(waits, 1)
    live.behind(True)
    assert not live.is_behind
