"""A call that hangs is given up, and keeps nobody else waiting."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest

from cloud_analytics.analysis import batcher
from cloud_analytics.analysis.analysis import Analysis
from cloud_analytics.analysis.batcher import DeadlineThreads
from shared.errors import CallHangs
from shared.model.bundle import Bundle
from tests.support.clients import coded_packets
from tests.support.cloud import catalogue_of, logged, metrics, settings, value


@pytest.mark.asyncio
async def test_a_call_that_hangs_is_given_up_and_the_next_one_has_a_thread() -> None:
    hung: list[int] = []
    goes_on = threading.Event()
    threads = DeadlineThreads(1, "networks", 0.2, lambda: hung.append(1))
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
    tiny_bundle_directory: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
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
    counted = metrics()
    catalogue = catalogue_of(tiny_bundle_directory.parents[1], counted)
    catalogue.scan()
    analysis = Analysis(catalogue, settings(), counted, call_seconds=0.3)
    try:
        stuck = await analysis.compute(analysis.parsed(logged(first, tiny_bundle.digest)), ["normal"])
        assert "given up" in stuck.error
        made = await analysis.compute(analysis.parsed(logged(second, tiny_bundle.digest, 2)), ["normal"])
        assert set(made.values) == {"normal"}
        assert value(counted, "taxon_cloud_calls_hung_total", stage="networks") == 1
    finally:
        goes_on.set()
        await analysis.close()
