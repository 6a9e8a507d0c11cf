from __future__ import annotations

import asyncio

import pytest

from edge_encoder.control.backpressure import Backpressure


@pytest.mark.asyncio
async def test_a_drain_holds_nothing_back() -> None:
    live = Backpressure()
    live.note_behind(True)
    waits = asyncio.create_task(live.wait_until_clear())
    await asyncio.sleep(0)
    assert not waits.done()
    live.release()
    await asyncio.wait_for(waits, 1)
    live.note_behind(True)
    assert not live.is_behind
