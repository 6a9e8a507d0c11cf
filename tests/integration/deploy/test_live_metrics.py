"""Real services, scraped by the real Prometheus: docs/metrics.md tells all that they say, and the bits per pixel
are those that a client counts.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from shared.contract.results import GroupBytes
from taxon.client import Outcome, Result
from tests.integration.deploy.conftest import FRAMES
from tests.integration.deploy.test_rules import ALERTS, RECORDS
from tests.support.live_stack import CAMERAS, THRIFTY, MeasuredStack
from tests.support.prometheus import ROOT
from tests.support.services import ServiceProcess

PAGE = ROOT / "docs" / "metrics.md"
EXACTLY = 1e-9
"""Prometheus' floats and ours differ in their last digits, and in nothing else: every series was scraped at 0 before its first
frame and again after the last one, so a rate over the window counts each frame, and a ratio of two rates has no time in it."""

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.starts_process,
]


@dataclass(frozen=True)
class Told:
    """A metric as the page or a scrape has it."""

    kind: str
    labels: frozenset[str]


def on_the_page() -> Iterator[tuple[str, Told]]:
    row = re.compile(r"^\| `(\w+)` \| (\w+) \| ([^|]*) \| ([^|]+) \| ([^|]+) \|$", re.MULTILINE)
    for name, kind, labels, _, _ in row.findall(PAGE.read_text()):
        yield name, Told(kind, frozenset(re.findall(r"`(\w+)`", labels)))


async def scrape(service: ServiceProcess) -> str:
    async with httpx.AsyncClient(timeout=10) as client:
        return (await client.get(f"{service.url}/metrics")).text


def in_the_scrape(text: str) -> Iterator[tuple[str, Told | None]]:
    """None for a metric of which nothing has happened yet: its labels cannot be seen."""
    for family in text_string_to_metric_families(text):
        name = family.name + ("_total" if family.type == "counter" else "")
        labels = {label for sample in family.samples for label in sample.labels} - {"le", "quantile"}
        yield name, Told(family.type, frozenset(labels)) if family.samples else None


async def test_the_page_lists_what_both_services_say_and_nothing_else(played: MeasuredStack) -> None:
    page = dict(on_the_page())
    assert len(page) == len(list(on_the_page())), "each metric has one line"
    scraped = {
        name: told for service in (played.edge, played.cloud) for name, told in in_the_scrape(await scrape(service))
    }
    assert sorted(scraped) == sorted(page)
    seen = {name: told for name, told in scraped.items() if told is not None}
    assert seen == {name: page[name] for name in seen}
    assert len(seen) > len(scraped) - 6, "nearly everything happens in this test"


@pytest.mark.parametrize("kind", ["edge", "cloud"])
async def test_names_and_units_please_prometheus(played: MeasuredStack, kind: str) -> None:
    text = await scrape(played.edge if kind == "edge" else played.cloud)
    linted = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, timeout=60)
    assert (linted.returncode, linted.stderr + linted.stdout) == (0, "")
    helped = set(re.findall(r"^# HELP (\w+) \S", text, re.MULTILINE))
    assert helped == set(re.findall(r"^# TYPE (\w+) ", text, re.MULTILINE))


async def test_every_target_is_up_and_every_rule_is_healthy(played: MeasuredStack) -> None:
    up = await played.prometheus.query("up")
    assert {sample.labels["job"]: sample.value for sample in up} == {"taxon-edge": 1, "taxon-cloud": 1}
    groups = await played.prometheus.rule_groups()
    rules = [rule for group in groups for rule in group["rules"]]
    assert {rule["name"]: rule["health"] for rule in rules} == dict.fromkeys([*ALERTS, *RECORDS], "ok")
    assert await played.prometheus.query('ALERTS{alertstate="firing"}') == []


@pytest.mark.parametrize("record", RECORDS)
async def test_every_recording_rule_has_a_value(played: MeasuredStack, record: str) -> None:
    samples = await played.prometheus.query(record)
    assert samples
    assert all(sample.value == sample.value for sample in samples), "a rule without frames has no value, never NaN"


@pytest.mark.parametrize("camera", [*CAMERAS, THRIFTY])
async def test_bits_per_pixel_are_those_that_a_client_counts(played: MeasuredStack, camera: str) -> None:
    results = played.results[camera]
    assert len(results) == len(played.posted[camera]) > 0
    found = {
        sample.labels["group"]: sample.value
        for sample in await played.prometheus.query(f'camera_group:taxon_coded_bpp:rate5m{{camera="{camera}"}}')
    }
    assert found == pytest.approx({group: coded_bpp(results, group) for group in groups_of(results)}, rel=EXACTLY)
    whole = await played.prometheus.value(f'camera:taxon_bitstream_bpp:rate5m{{camera="{camera}"}}')
    assert whole == pytest.approx(8 * sum(one.coded_bytes for one in results) / pixels(results), rel=EXACTLY)


@pytest.mark.parametrize("camera", CAMERAS)
async def test_what_is_saved_is_saved_against_the_very_pictures_that_were_posted(
    played: MeasuredStack, camera: str
) -> None:
    sent, posted = sum(one.coded_bytes for one in played.results[camera]), sum(map(len, played.posted[camera]))
    saved = await played.prometheus.value(f'camera:taxon_saved_against_jpeg:ratio_rate5m{{camera="{camera}"}}')
    assert saved == pytest.approx(1 - sent / posted, rel=EXACTLY)


@pytest.mark.parametrize(
    ("edge", "cloud"),
    [
        ("sum by (camera) (taxon_edge_wire_bytes_total)", "taxon_cloud_wire_bytes_total"),
        ("sum by (camera) (taxon_edge_bitstream_bytes_total)", "taxon_cloud_bitstream_bytes_total"),
        ("sum by (camera, group) (taxon_edge_coded_bytes_total)", "taxon_cloud_coded_bytes_total"),
        ("taxon_edge_group_pixels_total", "taxon_cloud_group_pixels_total"),
        ('taxon_edge_frames_total{outcome="coded"}', "taxon_cloud_frames_received_total"),
    ],
)
async def test_edge_and_cloud_count_the_same(played: MeasuredStack, edge: str, cloud: str) -> None:
    at_edge, at_cloud = await by_camera(played, edge), await by_camera(played, cloud)
    assert at_edge == pytest.approx(at_cloud, rel=EXACTLY)
    assert {camera for camera, _ in at_edge} >= set(CAMERAS)


async def test_the_cameras_wire_bytes_are_all_that_was_sent(played: MeasuredStack) -> None:
    messages = await played.prometheus.value("taxon_edge_uplink_sent_bytes_total")
    assert messages == pytest.approx(await played.prometheus.value("sum(taxon_edge_wire_bytes_total)"), rel=EXACTLY)


async def test_the_coder_writes_little_more_than_the_model_says(played: MeasuredStack) -> None:
    for sample in await played.prometheus.query("camera:taxon_coder_overhead:ratio_rate5m"):
        # Up to a byte for each substream's end, of which the tiny bundle's has about ten.
        assert 0 <= sample.value < 0.1
    shares = await played.prometheus.query("group:taxon_side_information:ratio_rate5m")
    assert {sample.labels["group"] for sample in shares} == {"semantic", "geometry"}
    assert all(0 < sample.value < 1 for sample in shares)


async def test_every_frame_that_was_posted_is_counted_once(played: MeasuredStack) -> None:
    counted = {
        sample.labels["outcome"]: sample.value
        for sample in await played.prometheus.query(f'taxon_edge_frames_total{{camera="{THRIFTY}"}}')
    }
    assert counted[Outcome.CODED] == len(played.posted[THRIFTY])
    assert counted[Outcome.OVER_BUDGET] > 0
    assert sum(counted.values()) == FRAMES + 1, "and the one before anybody subscribed"
    refused = await played.prometheus.query("taxon_edge_refused_frames_total")
    assert [(one.labels["camera"], one.labels["reason"], one.value) for one in refused] == [
        ("hall", "NOT_A_PICTURE", 1)
    ]


async def test_delays_are_counted_for_every_result(played: MeasuredStack) -> None:
    results = await played.prometheus.value("taxon_cloud_result_delay_seconds_count")
    assert results == await played.prometheus.value("taxon_cloud_results_published_total") >= 2 * FRAMES
    p95 = await played.prometheus.value("instance:taxon_result_delay_seconds:p95_rate5m")
    assert 0 < p95 < 30


async def by_camera(played: MeasuredStack, expression: str) -> dict[tuple[str, str], float]:
    """Of an expression's series that are not 0, by camera and group."""
    samples = await played.prometheus.query(expression)
    return {(s.labels["camera"], s.labels.get("group", "")): s.value for s in samples if s.value}


def groups_of(results: Sequence[Result]) -> set[str]:
    return {group.group for result in results for group in result.groups}


def pixels(results: Sequence[Result]) -> int:
    return sum(result.geometry.input_width * result.geometry.input_height for result in results)


def coded_bpp(results: Sequence[Result], group: str) -> float:
    mine = [result for result in results if any(one.group == group for one in result.groups)]
    payload = sum(payload_bytes(one) for result in mine for one in result.groups if one.group == group)
    return 8 * payload / pixels(mine)


def payload_bytes(group: GroupBytes) -> int:
    """docs/format.md: before the coder's bytes stand a byte, their length in one or two bytes, and a check sum of four."""
    short = group.bytes - 6
    return short if short < 128 else group.bytes - 7
