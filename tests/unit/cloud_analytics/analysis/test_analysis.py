"""From bitstreams to numbers, in batches."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from shared.contract.packets import Packet
from shared.model.bundle import Bundle
from shared.model.tasks import TASKS
from taxon.results import sizes_of
from tests.support.clients import coded_packets
from tests.support.cloud import assert_equal_to_alone, cloud_parts, logged

ALL = [task.name for task in TASKS]


@pytest.fixture(scope="module")
def packets(tiny_bundle: Bundle) -> list[Packet]:
    return coded_packets(tiny_bundle, "door", 10)


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
                parts.analysed(logged(packet, tiny_bundle.digest), tasks)
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
        parsed = parts.analysis.parsed(logged(packets[0], tiny_bundle.digest))
    sizes = sizes_of(tiny_bundle, packets[0].bitstream)
    assert [(one.group, one.bytes) for one in parsed.groups] == list(sizes.groups)
    assert {one.rate for one in parsed.groups} == {1}


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
            *(parts.analysed(logged(one, tiny_bundle.digest), ALL) for one in [*bad, packets[1]])
        )
        for decoded, told in zip(
            made, ("ends after", "first byte", "written with the bundle", "", "ends after"), strict=False
        ):
            assert decoded.error
            assert told in decoded.error
            assert not decoded.values
        assert_equal_to_alone(tiny_bundle, made[-1], ALL)
        other = await parts.analysed(logged(packets[0], bytes(32)), ALL)
        assert "load the same bundle" in other.error


@pytest.mark.asyncio
async def test_tasks_whose_group_was_not_sent_are_left_out(models: Path, tmp_path: Path, tiny_bundle: Bundle) -> None:
    (packet,) = coded_packets(tiny_bundle, "door", 1, groups=("geometry",))
    async with cloud_parts(models, tmp_path) as parts:
        made = await parts.analysed(logged(packet, tiny_bundle.digest), [*ALL, "unknown"])
        assert_equal_to_alone(tiny_bundle, made, ["normal", "reshading", "principal_curvature"])
