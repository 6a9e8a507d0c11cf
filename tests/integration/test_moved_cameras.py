"""A camera that is moved from one edge to another, with the real cloud: neither edge's other cameras notice."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from shared.model.bundle import Bundle
from tests.support.clients import SmallEdge, SmallSubscriber, coded_packets, sequences
from tests.support.services import ServiceProcess, running

pytestmark = pytest.mark.starts_process

SECONDS = 20.0


@pytest.mark.asyncio
async def test_an_edge_that_comes_back_after_its_camera_was_moved_loses_that_camera_s_old_frames_alone_and_counted(
    tmp_path: Path, tiny_bundle_directory: Path, tiny_bundle: Bundle
) -> None:
    options = ("--bundles", str(tiny_bundle_directory.parent.parent), "--threads", "1", "--ack-interval-seconds", "0.1")
    cloud = ServiceProcess("cloud", tmp_path / "cloud", options)
    door, hall = coded_packets(tiny_bundle, "door", 8), coded_packets(tiny_bundle, "hall", 3)
    async with running(cloud), SmallSubscriber(cloud.rpc, tasks=("class_scene",)) as subscriber:
        async with SmallEdge(cloud.rpc, tiny_bundle.digest, "first") as first:
            await first.deliver(door[:2])
        # A link that broke is noticed a moment later, and until then its cameras are the first edge's.
        async with asyncio.timeout(SECONDS):
            while await cloud.metric("taxon_cloud_uplinks_connected"):
                await asyncio.sleep(0.02)
        async with (
            SmallEdge(cloud.rpc, tiny_bundle.digest, "second") as second,
            SmallEdge(cloud.rpc, tiny_bundle.digest, "first") as again,
        ):
            await second.deliver(door[5:7])
            # The first edge sends again what it had no acknowledgement of, and what it had not sent before its link broke.
            await again.deliver([*door[1:4], *hall])
            await second.deliver(door[7:])
        results = await subscriber.results(8)
        assert sequences([one for one in results if one.camera_id == "hall"]) == [1, 2, 3]
        assert sequences([one for one in results if one.camera_id == "door"]) == [1, 2, 6, 7, 8]
        assert await cloud.metric("taxon_cloud_frames_late_total", camera="door") == 2
        assert await cloud.metric("taxon_cloud_frames_duplicate_total", camera="door") == 1
