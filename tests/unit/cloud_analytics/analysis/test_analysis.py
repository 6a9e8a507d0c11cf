"""From bitstreams to numbers in batches, and the recent results in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from cloud_analytics.decoding.decoder import Decoder
from cloud_analytics.decoding.heads import results as results_of
from cloud_analytics.frames import DecodedFrame, LoggedFrame
from cloud_analytics.rendering.render import Style
from shared.contract.packets import Packet
from shared.contract.results import Encoding
from shared.model.bundle import Bundle
from shared.model.tasks import TASKS
from taxon.sizes import sizes_of
from tests.support.clients import coded_packets
from tests.support.cloud import CloudParts, cloud_parts

ALL = [task.name for task in TASKS]
TENSOR = Style(Encoding.TENSOR, 0, 5)


@pytest.fixture(scope="module")
def packets(tiny_bundle: Bundle) -> list[Packet]:
    return coded_packets(tiny_bundle, "door", 10)


@pytest.fixture
def models(tiny_bundle_directory: Path) -> Path:
    return tiny_bundle_directory.parents[1]


def logged(packet: Packet, digest: bytes, position: int = 1) -> LoggedFrame:
    return LoggedFrame(position, packet, digest, 1)


async def analysed(parts: CloudParts, frame: LoggedFrame, tasks: Sequence[str]) -> DecodedFrame:
    return await parts.analysis.compute(parts.analysis.framed(frame), tasks)


def assert_equal_to_alone(bundle: Bundle, decoded: DecodedFrame, tasks: Sequence[str]) -> None:
    assert not decoded.error
    assert set(decoded.values) == set(tasks)
    for one in results_of(Decoder(bundle, threads=1), [decoded.frame.packet.bitstream], tasks):
        expected, found = one.values[0], decoded.values[one.task.name]
        assert found.dtype == expected.dtype
        assert np.allclose(found, expected, atol=1e-5), one.task.name


@pytest.mark.asyncio
async def test_frames_that_wait_go_through_the_networks_together_and_come_out_as_alone(
    models: Path, tmp_path: Path, tiny_bundle: Bundle, packets: list[Packet]
) -> None:
    async with cloud_parts(models, tmp_path) as parts:
        wanted = [
            ALL,
            ["normal"],
            [],
            ["class_scene", "reshading"],
            ALL,
            ["segment_semantic"],
            ALL,
            ALL,
            ["normal"],
            ALL,
        ]
        made = await asyncio.gather(
            *(
                analysed(parts, logged(packet, tiny_bundle.digest), tasks)
                for packet, tasks in zip(packets, wanted, strict=True)
            )
        )
        for decoded, tasks in zip(made, wanted, strict=True):
            assert_equal_to_alone(tiny_bundle, decoded, tasks)
        for task in ALL:
            assert parts.value("taxon_cloud_heads_run_total", task=task) == sum(task in tasks for tasks in wanted)
        batches, frames = (parts.value(f"taxon_cloud_batch_frames_{part}") for part in ("count", "sum"))
        assert frames == 9, "a frame of which nobody wants anything needs no network"
        assert batches < 6
        assert parts.value("taxon_cloud_batch_frames_bucket", le="4.0") == batches, "most_batch is 4"


@pytest.mark.asyncio
async def test_a_frame_s_groups_and_their_bytes_are_known_without_any_network(
    models: Path, tmp_path: Path, tiny_bundle: Bundle, packets: list[Packet]
) -> None:
    async with cloud_parts(models, tmp_path) as parts:
        framed = parts.analysis.framed(logged(packets[0], tiny_bundle.digest))
    sizes = sizes_of(tiny_bundle, packets[0].bitstream)
    assert [(one.group, one.bytes) for one in framed.groups] == list(sizes.groups)
    assert {one.rate for one in framed.groups} == {1}


@pytest.mark.asyncio
async def test_a_damaged_frame_says_why_and_harms_no_other(
    models: Path, tmp_path: Path, tiny_bundle: Bundle, packets: list[Packet]
) -> None:
    def damaged(at: int) -> Packet:
        bits = bytearray(packets[0].bitstream)
        bits[at] ^= 0x55
        return replace(packets[0], bitstream=bytes(bits))

    truncated = replace(packets[0], bitstream=packets[0].bitstream[:-3])
    bad = [truncated, damaged(0), damaged(3), damaged(-1), replace(packets[0], bitstream=b"")]
    async with cloud_parts(models, tmp_path) as parts:
        made = await asyncio.gather(
            *(analysed(parts, logged(one, tiny_bundle.digest), ALL) for one in [*bad, packets[1]])
        )
        for decoded, told in zip(
            made, ("ends after", "first byte", "written with the bundle", "", "ends after"), strict=False
        ):
            assert decoded.error
            assert told in decoded.error
            assert not decoded.values
        assert_equal_to_alone(tiny_bundle, made[-1], ALL)
        other = await analysed(parts, logged(packets[0], bytes(32)), ALL)
        assert "load the same bundle" in other.error


@pytest.mark.asyncio
async def test_tasks_whose_group_was_not_sent_are_left_out(models: Path, tmp_path: Path, tiny_bundle: Bundle) -> None:
    (packet,) = coded_packets(tiny_bundle, "door", 1, groups=("geometry",))
    async with cloud_parts(models, tmp_path) as parts:
        made = await analysed(parts, logged(packet, tiny_bundle.digest), [*ALL, "unknown"])
        assert_equal_to_alone(tiny_bundle, made, ["normal", "reshading", "principal_curvature"])


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
        parts.cache.put(await analysed(parts, frame, ["normal"]))


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
