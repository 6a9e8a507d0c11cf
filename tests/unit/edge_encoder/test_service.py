from __future__ import annotations

import asyncio
import shutil
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from edge_encoder.pipeline.stages import prepare
from shared.errors import AddressInUse, BundleError, FolderError, UnknownName
from shared.model.bundle import Bundle
from tests.support.edge import RecordingCloud, metric, running_edge, wanted
from tests.support.pictures import picture

pytestmark = pytest.mark.starts_server

FRAMES = "/v1/cameras/kitchen/frames"


async def post(client: httpx.AsyncClient, number: int = 0, camera: str = "kitchen") -> httpx.Response:
    return await client.post(f"/v1/cameras/{camera}/frames", content=picture(number))


@pytest.mark.asyncio
async def test_the_last_wish_holds_while_the_link_is_down_and_over_a_restart(
    tmp_path: Path, tiny_bundle_directory: Path, tiny_bundle: Bundle
) -> None:
    cloud = RecordingCloud([tiny_bundle.digest], wanted("geometry"))
    await cloud.start()
    target = f"127.0.0.1:{cloud.port}"
    async with running_edge(tmp_path, tiny_bundle_directory, target, pinned_groups=[]) as (_, client):
        async with asyncio.timeout(10):
            while (await post(client)).json()["outcome"] != "coded":
                await asyncio.sleep(0.05)
        await cloud.stop()
        down = (await post(client)).json()
    async with running_edge(tmp_path, tiny_bundle_directory, target, pinned_groups=[]) as (_, client):
        restarted = (await post(client)).json()
    assert down["groups"] == restarted["groups"] == ["geometry"]
    assert restarted["sequence"] == down["sequence"] + 1


@pytest.mark.asyncio
async def test_stopping_answers_what_was_taken_and_sends_it(
    tmp_path: Path, tiny_bundle_directory: Path, tiny_bundle: Bundle
) -> None:
    cloud = RecordingCloud([tiny_bundle.digest])
    await cloud.start()
    settings = {"queue_policy": "all", "queue_depth": 50}
    async with running_edge(tmp_path, tiny_bundle_directory, f"127.0.0.1:{cloud.port}", **settings) as (edge, client):
        await cloud.until(hellos=1)
        posts = [asyncio.create_task(post(client, i)) for i in range(30)]
        while edge.parts.queue.frames == 0:
            await asyncio.sleep(0.001)
        await edge.stop()
        answers = await asyncio.gather(*posts, return_exceptions=True)
        taken = [
            one.json()["sequence"] for one in answers if isinstance(one, httpx.Response) and one.status_code == 200
        ]
        refused = [one for one in answers if not isinstance(one, httpx.Response) or one.status_code != 200]
        for one in refused:
            if not isinstance(one, httpx.TransportError):
                assert isinstance(one, httpx.Response)
                assert one.json()["title"] == "DRAINING"
    await cloud.stop()
    assert taken
    assert sorted(sequence for _, sequence in cloud.names()) == sorted(taken)


@pytest.mark.asyncio
async def test_frames_of_many_cameras_share_batches_and_each_keeps_its_order(
    tmp_path: Path, tiny_bundle_directory: Path, tiny_bundle: Bundle
) -> None:
    cloud = RecordingCloud([tiny_bundle.digest], wanted("semantic", c1=("geometry",)))
    await cloud.start()
    settings = {"queue_policy": "all", "queue_depth": 50, "pinned_groups": ["semantic"]}
    async with running_edge(tmp_path, tiny_bundle_directory, f"127.0.0.1:{cloud.port}", **settings) as (edge, client):
        async with asyncio.timeout(10):
            while edge.parts.wish.groups_for("c1") != ("semantic", "geometry"):
                await asyncio.sleep(0.01)
        answers = await asyncio.gather(*(post(client, i, f"c{i % 4}") for i in range(60)))
        await cloud.until(packets=60)
        metrics = (await client.get("/metrics")).text
    await cloud.stop()
    groups = {one.json()["camera_id"]: one.json()["groups"] for one in answers}
    assert groups == {f"c{i}": ["semantic", "geometry"] if i == 1 else ["semantic"] for i in range(4)}
    batches, frames = metric(metrics, "taxon_edge_batch_frames_count"), metric(metrics, "taxon_edge_batch_frames_sum")
    assert frames == 60
    assert batches < 60, "frames that wait go through the networks together"
    for camera in {packet.camera_id for packet in cloud.packets}:
        mine = [packet.sequence for packet in cloud.packets if packet.camera_id == camera]
        assert mine == list(range(mine[0], mine[0] + 15))


@pytest.mark.asyncio
async def test_a_source_of_its_own_is_played_and_a_broken_one_is_counted(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(picture(number))
    settings: dict[str, Any] = {"source": [f"own@50={folder}", f"gone={tmp_path / 'absent'}"], "queue_policy": "all"}
    with capture_logs() as logs:
        async with running_edge(tmp_path / "data", tiny_bundle_directory, **settings) as (_, client):
            async with asyncio.timeout(15):
                coded, failures = 0.0, 0.0
                while coded < 7 or failures < 1:
                    await asyncio.sleep(0.05)
                    text = (await client.get("/metrics")).text
                    coded = metric(text, 'taxon_edge_frames_total{camera="own",outcome="coded"}')
                    failures = metric(text, 'taxon_edge_source_failures_total{camera="gone"}')
            assert (await post(client)).status_code == 200
    assert any(one["event"] == "source broken" and one["camera"] == "gone" for one in logs)


@pytest.mark.asyncio
async def test_a_camera_that_left_has_no_metrics_and_one_that_the_settings_name_always_has(
    tmp_path: Path, tiny_bundle_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_encoder.service.HOUSEKEEPING_SECONDS", 0.05)
    settings: dict[str, Any] = {
        "camera_series_seconds": 0.5,
        "source": [f"gate={tmp_path}/absent"],
        "budgets_kbps": {"gate": 8.0},
    }
    async with running_edge(tmp_path, tiny_bundle_directory, **settings) as (_, client):
        await post(client)
        text = (await client.get("/metrics")).text
        assert metric(text, 'taxon_edge_frames_total{camera="kitchen",outcome="coded"}') == 1
        async with asyncio.timeout(10):
            while 'camera="kitchen"' in text:
                await asyncio.sleep(0.05)
                text = (await client.get("/metrics")).text
        assert 'taxon_edge_frames_total{camera="gate",outcome="coded"} 0.0' in text
        assert metric(text, 'taxon_edge_budget_bytes_per_second{camera="gate"}') == 1000
        assert metric(text, "taxon_edge_cameras") == 1


@pytest.mark.asyncio
async def test_one_failing_batch_is_answered_and_three_in_a_row_end_the_service(
    tmp_path: Path, tiny_bundle_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    failing = [True, False, True, True, True]

    def sometimes(*arguments: object) -> object:
        if failing.pop(0):
            raise RuntimeError("the graphics card fell off the bus")
        return prepare(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("edge_encoder.pipeline.stages.prepare", sometimes)
    async with running_edge(tmp_path, tiny_bundle_directory) as (edge, client):
        ends = asyncio.create_task(edge.failed())
        answers = [await post(client, i) for i in range(5)]
        assert [one.status_code for one in answers] == [500, 200, 500, 500, 500]
        assert answers[0].json()["detail"].startswith("the frame could not be coded (RuntimeError)")
        assert isinstance(await asyncio.wait_for(ends, 5), ExceptionGroup)


@pytest.mark.asyncio
async def test_a_frame_that_gets_no_turn_in_time_is_answered(
    tmp_path: Path, tiny_bundle_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def slow(*arguments: object) -> object:
        import time

        time.sleep(0.6)
        return prepare(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr("edge_encoder.pipeline.stages.prepare", slow)
    settings: dict[str, Any] = {"post_deadline_seconds": 0.3, "most_batch": 1}
    async with running_edge(tmp_path, tiny_bundle_directory, **settings) as (_, client):
        headers = {"X-Capture-Time": "1000"}
        late = await client.post(FRAMES, content=picture(), headers=headers)
        await asyncio.sleep(0.6)
        again = await client.post(FRAMES, content=picture(), headers=headers)
    assert (late.status_code, late.json()["title"]) == (504, "DEADLINE_PASSED")
    assert (again.status_code, again.json()["repeated_post"]) == (200, True), "it was coded all the same, once"


@pytest.mark.asyncio
async def test_what_cannot_start_says_why_and_leaves_nothing_running(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    with pytest.raises(BundleError, match=r"manifest\.json"):
        async with running_edge(tmp_path / "1", tmp_path):
            pass
    with pytest.raises(UnknownName, match="operating point 9"):
        async with running_edge(tmp_path / "2", tiny_bundle_directory, rate=9):
            pass
    with pytest.raises(UnknownName, match="task group audio"):
        async with running_edge(tmp_path / "3", tiny_bundle_directory, pinned_groups=["audio"]):
            pass
    async with running_edge(tmp_path / "4", tiny_bundle_directory) as (edge, _):
        with pytest.raises(FolderError, match="in use"):
            async with running_edge(tmp_path / "4", tiny_bundle_directory):
                pass
        for address in ({"http": f"127.0.0.1:{edge.http_port}"}, {"rpc": f"127.0.0.1:{edge.rpc_port}"}):
            with pytest.raises(AddressInUse):
                async with running_edge(tmp_path / "5", tiny_bundle_directory, **address):
                    pass
    shutil.rmtree(tmp_path / "5")
