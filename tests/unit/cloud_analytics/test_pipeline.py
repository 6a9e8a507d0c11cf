"""The pipeline where the journal's disk takes nothing for a while."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from cloud_analytics import pipeline
from cloud_analytics.journal.frame_log import Arrival
from shared.errors import JournalFailed
from shared.model.bundle import Bundle
from tests.support.clients import coded_packets
from tests.support.cloud import cloud_parts


@pytest.mark.asyncio
async def test_a_disk_that_takes_nothing_stops_the_edges_and_not_the_service(
    models: Path, tmp_path: Path, tiny_bundle: Bundle, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "PRUNE_SECONDS", 0.01)
    packets = coded_packets(tiny_bundle, "door", 2)
    async with cloud_parts(models, tmp_path, journal_age_seconds=0.2) as parts:
        await parts.send(packets[:1], tiny_bundle.digest)
        parts.database.file.main.execute("PRAGMA query_only = 1")
        # By now there is something to prune.
        await asyncio.sleep(0.5)
        with pytest.raises(JournalFailed):
            await parts.pipeline.receive(Arrival(tuple(packets[1:]), tiny_bundle.digest, "edge"))
        failed = asyncio.create_task(parts.pipeline.supervisor.failed())
        await asyncio.wait({failed}, timeout=0.1)
        assert not failed.done(), failed.result()
        failed.cancel()
        parts.database.file.main.execute("PRAGMA query_only = 0")
        await parts.send(packets[1:], tiny_bundle.digest)
