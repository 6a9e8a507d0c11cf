"""A call that hangs is given up, and keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from cloud_analytics.analysis import batcher
from cloud_analytics.analysis.deadline_threads import Threads
from shared.errors import CallHangs
from shared.model.bundle import Bundle
from tests.support.clients import coded_packets
from tests.support.cloud import cloud_parts
from tests.unit.cloud_analytics.analysis.test_analysis import received


@pytest.mark.asyncio
async def test_a_call_that_hangs_is_given_up_and_the_next_one_has_a_thread() -> None:
    hung: list[int] = []
    goes_on = threading.Event()
    threads = Threads(1, "networks", 0.2, lambda: hung.append(1))
    try:
        with pytest.raises(CallHangs, match="networks"):
            await threads.run(goes_on.wait)
        assert await threads.run(lambda: 6 * 7) == 42
        assert hung == [1]
        with pytest.raises(ZeroDivisionError):
            await threads.run(lambda: 1 // 0)
    finally:
        goes_on.set()
        await asyncio.to_thread(threads.shut_down)


@pytest.mark.asyncio
async def test_networks_that_hang_cost_one_frame_and_are_counted(
    tmp_path: Path, tiny_bundle_directory: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    goes_on = threading.Event()
    real = batcher.run_batch
    calls: list[int] = []

    def first_hangs(*args: object) -> object:
        calls.append(1)
        if len(calls) == 1:
            goes_on.wait(20)
        return real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(batcher, "run_batch", first_hangs)
    first, second = coded_packets(tiny_bundle, "door", 2)
    async with cloud_parts(tiny_bundle_directory.parents[1], tmp_path) as parts:
        parts.analysis._networks._deadline_seconds = 0.3
        try:
            stuck = await parts.analysis.compute(received(first, tiny_bundle.digest), ["normal"])
            assert "given up" in stuck.error
            made = await parts.analysis.compute(received(second, tiny_bundle.digest, 2), ["normal"])
            assert set(made.values) == {"normal"}
            assert parts.value("taxon_cloud_calls_hung_total", stage="networks") == 1
        finally:
            goes_on.set()
