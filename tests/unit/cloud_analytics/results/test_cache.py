"""The recent results in memory: computed once, rendered once, bounded, and computed again when they have gone."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path

import pytest

from cloud_analytics.frames import LoggedFrame
from cloud_analytics.rendering.render import Style
from shared.contract.packets import Packet
from shared.contract.results import Encoding
from shared.model.bundle import Bundle
from shared.model.tasks import TASKS
from tests.support.clients import coded_packets
from tests.support.cloud import CloudParts, assert_equal_to_alone, cloud_parts, logged

ALL = [task.name for task in TASKS]
TENSOR = Style(Encoding.TENSOR, 0, 5)


@pytest.fixture(scope="module")
def packets(tiny_bundle: Bundle) -> list[Packet]:
    return coded_packets(tiny_bundle, "door", 10)


@pytest.mark.asyncio
async def test_numbers_are_computed_once_and_outputs_rendered_once_for_all(
    models: Path, tmp_path: Path, tiny_bundle: Bundle, packets: list[Packet]
) -> None:
    frame = logged(packets[0], tiny_bundle.digest)
    async with cloud_parts(models, tmp_path) as parts:
        asked = [parts.cache.outputs(frame, ["normal", "class_scene"], TENSOR) for _ in range(20)]
        made = await asyncio.gather(*asked)
        assert parts.value("taxon_cloud_heads_run_total", task="normal") == 1
        assert parts.value("taxon_cloud_stage_seconds_count", stage="render") == 2
        for _, outputs in made:
            assert [one.task for one in outputs] == ["normal", "class_scene"]
            assert outputs[0] is made[0][1][0]
        decoded, _ = await parts.cache.outputs(frame, ["reshading"], TENSOR)
        assert set(decoded.values) == {"normal", "class_scene", "reshading"}, "what is there is kept"
        assert parts.value("taxon_cloud_heads_run_total", task="normal") == 1


@pytest.mark.asyncio
async def test_memory_is_bounded_and_what_has_gone_is_computed_again(
    models: Path, tmp_path: Path, tiny_bundle: Bundle, packets: list[Packet]
) -> None:
    async with cloud_parts(models, tmp_path, recent_bytes=60_000) as parts:
        frames = [logged(packet, tiny_bundle.digest, place) for place, packet in enumerate(packets, 1)]
        for _ in range(2):
            for frame in frames:
                decoded, outputs = await parts.cache.outputs(frame, ALL, Style(Encoding.PNG, 0, 5))
                assert_equal_to_alone(tiny_bundle, decoded, ALL)
                assert len(outputs) == 6
                assert parts.cache.bytes <= 60_000
        assert parts.value("taxon_cloud_heads_run_total", task="normal") == 20


async def put_all(parts: CloudParts, frames: Sequence[LoggedFrame]) -> None:
    for frame in frames:
        parts.cache.put(await parts.analysed(frame, ["normal"]))


@pytest.mark.asyncio
async def test_an_analysed_frame_lacks_a_task_only_until_someone_asks(
    models: Path, tmp_path: Path, tiny_bundle: Bundle, packets: list[Packet]
) -> None:
    frame = logged(packets[0], tiny_bundle.digest)
    async with cloud_parts(models, tmp_path) as parts:
        await put_all(parts, [frame])
        assert set((await parts.cache.decoded(frame, ["normal"])).values) == {"normal"}
        assert parts.value("taxon_cloud_results_on_demand_total") == 0
        assert set((await parts.cache.decoded(frame, ["class_scene"])).values) == {"normal", "class_scene"}
        assert parts.value("taxon_cloud_results_on_demand_total") == 1
