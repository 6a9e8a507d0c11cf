"""What `/v1/cameras` and `/metrics` say of sources that the edge plays, whatever becomes of them."""

from __future__ import annotations

import asyncio
import re
import socket
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.sources import state
from shared.sources.playing import Reading, Source
from shared.sources.reopening import ReopenedSource
from tests.support.edge import metric, running_edge
from tests.support.pictures import picture

pytestmark = [pytest.mark.starts_server, pytest.mark.asyncio]

TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z")
Cameras = dict[str, dict[str, Any]]


async def until(client: httpx.AsyncClient, is_so: Callable[[Cameras], bool], seconds: float = 20.0) -> Cameras:
    """Ask for the cameras until it is so."""
    cameras: Cameras = {}
    try:
        async with asyncio.timeout(seconds):
            while True:
                answer = (await client.get("/v1/cameras")).json()["cameras"]
                cameras = {one["camera_id"]: one for one in answer}
                if is_so(cameras):
                    return cameras
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise AssertionError(f"it never was so; at last: {cameras}") from error


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port that nobody listens on, and that nobody else is given meanwhile."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


async def test_a_camera_that_never_gave_a_frame_is_listed_with_the_reason_and_without_its_password(
    tmp_path: Path, tiny_bundle_directory: Path, closed_port: int
) -> None:
    sources = [f"absent={tmp_path}/absent", f"gate=rtsp://admin:hunter2@127.0.0.1:{closed_port}/live"]
    settings: dict[str, Any] = {"source": sources, "cameras": ["absent", "gate", "hall"]}
    async with running_edge(tmp_path / "data", tiny_bundle_directory, **settings) as (_, client):
        cameras = await until(
            client, lambda found: all(found[one]["source"]["failures"] > 1 for one in ("absent", "gate"))
        )
        # The metrics are told once a second, the list at once.
        await asyncio.sleep(1.1)
        text = (await client.get("/metrics")).text
    assert sorted(cameras) == ["absent", "gate", "hall"]
    for name in ("absent", "gate"):
        source = cameras[name]["source"]
        assert (source["state"], source["frames"], source["last_frame_time"]) == ("gone", 0, None), source
        assert source["last_error"]
        assert TIME.fullmatch(source["since"])
        assert cameras[name]["last_frame_time"] is None
        assert metric(text, f'taxon_edge_source_state{{camera="{name}",state="gone"}}') == 1
        assert metric(text, f'taxon_edge_source_state{{camera="{name}",state="live"}}') == 0
        assert metric(text, f'taxon_edge_source_failures_total{{camera="{name}"}}') > 1
    assert "hunter2" not in str(cameras) + text
    assert (cameras["hall"]["source"], cameras["hall"]["sight"]) == (None, None), "it posts, and has not yet"


async def test_a_source_is_live_stalls_and_is_live_again(
    tmp_path: Path, tiny_bundle_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gives = threading.Event()
    gives.set()

    class Halting(Source):
        """A source that halts while the test wants it to."""

        def read(self) -> Iterator[Reading]:
            number = 0
            while not self.stopping.wait(0.02):
                if gives.is_set():
                    number += 1
                    self.status.damaged()
                    yield Reading(picture(number % 5), None, time.time_ns() // 1000)

    monkeypatch.setattr("edge_encoder.ingest.sources.lasting_source", lambda *_, **__: Halting("halting"))
    monkeypatch.setattr(state, "LEAST_STALL_SECONDS", 0.5)
    settings: dict[str, Any] = {"source": ["yard=halting"], "queue_policy": "newest"}
    async with running_edge(tmp_path, tiny_bundle_directory, **settings) as (_, client):
        live = await until(client, lambda found: found["yard"]["coded"] > 3)
        assert live["yard"]["source"]["state"] == "live"
        assert TIME.fullmatch(live["yard"]["last_frame_time"])
        assert live["yard"]["sight"]["state"] == "clear"
        gives.clear()
        stalled = (await until(client, lambda found: found["yard"]["source"]["state"] == "stalled"))["yard"]["source"]
        assert stalled["failures"] == 1
        assert "stalled" in stalled["last_error"]
        gives.set()
        again = (await until(client, lambda found: found["yard"]["source"]["state"] == "live"))["yard"]["source"]
        assert again["last_error"] == stalled["last_error"], "the last error stays to be read"
        await asyncio.sleep(1.1)
        text = (await client.get("/metrics")).text
    assert metric(text, 'taxon_edge_source_failures_total{camera="yard"}') == 1
    assert metric(text, 'taxon_edge_source_damaged_packets_total{camera="yard"}') > 3


async def test_a_reader_that_fails_in_a_way_that_nobody_foresaw_ends_neither_the_service_nor_its_own_source(
    tmp_path: Path, tiny_bundle_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Faulty(Source):
        """A source whose library has a fault."""

        def read(self) -> Iterator[Reading]:
            yield Reading(picture(0), None, time.time_ns() // 1000)
            raise ZeroDivisionError

    def lasting(*_: Any, **__: Any) -> Source:
        return ReopenedSource("faulty", lambda: Faulty("faulty"), is_alone=False)

    monkeypatch.setattr("edge_encoder.ingest.sources.lasting_source", lasting)
    async with running_edge(tmp_path, tiny_bundle_directory, source=["yard=faulty"]) as (_, client):
        cameras = await until(client, lambda found: found["yard"]["source"]["failures"] > 1)
        assert (await client.get("/readyz")).status_code == 200
    assert "ZeroDivisionError" in cameras["yard"]["source"]["last_error"]
    assert cameras["yard"]["source"]["frames"] > 1, "it is opened again"


async def test_a_source_that_has_ended_has_no_state_that_an_alert_would_find(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    (tmp_path / "one.jpg").write_bytes(picture(0))
    settings: dict[str, Any] = {"source": [f"once={tmp_path / 'one.jpg'}"], "source_loop": False}
    async with running_edge(tmp_path / "data", tiny_bundle_directory, **settings) as (_, client):
        cameras = await until(client, lambda found: found["once"]["coded"] == 1 and found["once"]["source"] is None)
        text = (await client.get("/metrics")).text
    assert cameras["once"]["last_frame_time"]
    assert 'taxon_edge_source_state{camera="once"' not in text
    assert metric(text, 'taxon_edge_source_failures_total{camera="once"}') == 0
