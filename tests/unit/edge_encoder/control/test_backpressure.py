from __future__ import annotations

import asyncio

import pytest

from edge_encoder.control.backpressure import Backpressure


@pytest.mark.asyncio
async def test_policy_all_and_a_drain_hold_nothing_back() -> None:
    kept = Backpressure(may_hold_back=False)
    kept.note_behind(True)
    assert not kept.is_behind
    live = Backpressure(may_hold_back=True)
    live.note_behind(True)
    waits = asyncio.create_task(live.wait_until_clear())
    await asyncio.sleep(0)
    assert not waits.done()
    live.release()
    await asyncio.wait_for(waits, 1)
    live.note_behind(True)
    assert not live.is_behind
