from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from edge_encoder.encoding.encoder import Encoder
from edge_encoder.encoding.preprocess import preprocess
from shared.model.bundle import Bundle
from tests.support.edge import BOTH, RecordingCloud, metric, running_edge
from tests.support.pictures import picture

pytestmark = pytest.mark.starts_server

FRAMES = "/v1/cameras/kitchen/frames"
TRACE = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


@pytest.mark.asyncio
async def test_a_frame_is_coded_as_the_encoder_alone_codes_it(
    tmp_path: Path, tiny_bundle_directory: Path, tiny_bundle: Bundle
) -> None:
    cloud = RecordingCloud([tiny_bundle.digest])
    await cloud.start()
    async with running_edge(tmp_path, tiny_bundle_directory, f"127.0.0.1:{cloud.port}") as (_, client):
        headers = {"X-Capture-Time": "2026-03-01T13:00:00.25+01:00", "traceparent": TRACE}
        answer = await client.post(FRAMES, content=picture(), headers=headers)
        await cloud.until(packets=1)
    await cloud.stop()
    frame = preprocess(picture(), tiny_bundle.manifest.input)
    encoded = Encoder(tiny_bundle, threads=1).encode(frame.pixels, BOTH, 1).bitstream
    assert answer.status_code == 200
    receipt = answer.json()
    assert receipt | {"sequence": 0} == {
        "camera_id": "kitchen",
        "outcome": "coded",
        "capture_time": "2026-03-01T12:00:00.250000Z",
        "sequence": 0,
        "coded_bytes": len(encoded),
        "rate": 1,
        "groups": BOTH,
        "repeated_post": False,
        "damage": None,
    }
    (packet,) = cloud.packets
    assert (packet.camera_id, packet.sequence, packet.bitstream) == ("kitchen", receipt["sequence"], encoded)
    assert (packet.capture_time_us, packet.geometry) == (1_772_366_400_250_000, frame.geometry)
    assert packet.trace_context.hex() == TRACE.replace("-", "")


@pytest.mark.asyncio
async def test_a_repeated_post_gets_the_first_ones_receipt_also_while_that_is_on_its_way(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    async with running_edge(tmp_path, tiny_bundle_directory) as (_, client):
        headers = {"X-Capture-Time": "1772366400.25"}
        both = await asyncio.gather(*(client.post(FRAMES, content=picture(), headers=headers) for _ in range(2)))
        later = await client.post(FRAMES, content=picture(), headers=headers)
        other = await client.post(FRAMES, content=picture(), headers={"X-Capture-Time": "1772366400.26"})
    answers = [one.json() for one in (*both, later)]
    assert {one["sequence"] for one in answers} == {answers[0]["sequence"]}
    assert sorted(one["repeated_post"] for one in answers) == [False, True, True]
    assert other.json()["sequence"] == answers[0]["sequence"] + 1


@pytest.mark.asyncio
async def test_frames_within_one_tick_of_a_coarse_clock_are_frames_also_after_a_restart(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    tick = {"X-Capture-Time": "1772366400"}
    async with running_edge(tmp_path, tiny_bundle_directory) as (edge, client):
        first = [(await client.post(FRAMES, content=picture(n), headers=tick)).json() for n in range(5)]
        again = [(await client.post(FRAMES, content=picture(n), headers=tick)).json() for n in range(5)]
        repeated = edge.parts.metrics.registry.get_sample_value(
            "taxon_edge_repeated_posts_total", {"camera": FRAMES.split("/")[3]}
        )
    async with running_edge(tmp_path, tiny_bundle_directory) as (_, client):
        later = [(await client.post(FRAMES, content=picture(n), headers=tick)).json() for n in range(6)]
    assert [one["sequence"] for one in first] == [first[0]["sequence"] + n for n in range(5)]
    assert not any(one["repeated_post"] for one in first)
    assert again == [one | {"repeated_post": True} for one in first]
    assert repeated == 5
    assert later[:5] == again
    assert not later[5]["repeated_post"], "the spool keeps the digests of the pictures"


@pytest.mark.asyncio
async def test_what_nobody_wants_is_answered_and_counted_and_costs_nothing(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    async with running_edge(tmp_path, tiny_bundle_directory, pinned_groups=[]) as (_, client):
        answer = await client.post(FRAMES, content=picture())
        cameras = (await client.get("/v1/cameras")).json()["cameras"]
        metrics = (await client.get("/metrics")).text
    assert (answer.status_code, answer.json()["outcome"], answer.json()["sequence"]) == (200, "not_wanted", 0)
    assert [(one["camera_id"], one["not_wanted"], one["coded"]) for one in cameras] == [("kitchen", 1, 0)]
    assert metric(metrics, 'taxon_edge_frames_total{camera="kitchen",outcome="not_wanted"}') == 1
    assert metric(metrics, 'taxon_edge_stage_seconds_count{stage="networks"}') == 0


@pytest.mark.parametrize(
    ("path", "body", "headers", "status", "title"),
    [
        (FRAMES, b"no picture at all", {}, 400, "NOT_A_PICTURE"),
        (FRAMES, b"", {}, 400, "NOT_A_PICTURE"),
        (FRAMES, picture()[:-300], {}, 400, "NOT_A_PICTURE"),
        (FRAMES, picture(), {"X-Capture-Time": "yesterday"}, 400, "BAD_REQUEST"),
        (FRAMES, picture(), {"X-Capture-Time": "-5"}, 400, "BAD_REQUEST"),
        ("/v1/cameras/a%20b/frames", picture(), {}, 400, "BAD_NAME"),
        ("/v1/cameras/attic/frames", picture(), {}, 404, "UNKNOWN_CAMERA"),
        (FRAMES, bytes(30_000), {}, 413, "TOO_LARGE"),
    ],
)
@pytest.mark.asyncio
async def test_a_refusal_says_why_and_is_counted(
    tmp_path: Path,
    tiny_bundle_directory: Path,
    path: str,
    body: bytes,
    headers: dict[str, str],
    status: int,
    title: str,
) -> None:
    settings: dict[str, Any] = {"cameras": ["kitchen", "hall"], "largest_picture_bytes": 20_000}
    async with running_edge(tmp_path, tiny_bundle_directory, **settings) as (_, client):
        answer = await client.post(path, content=body, headers=headers)
        metrics = (await client.get("/metrics")).text
        assert (await client.post(FRAMES, content=picture())).status_code == 200, "the next frame is taken"
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert answer.json()["title"] == title
    assert len(answer.json()["detail"]) > 20
    assert metric(metrics, f'taxon_edge_refusals_total{{reason="{title}"}}') == 1


@pytest.mark.asyncio
async def test_a_body_without_a_length_is_refused_before_all_of_it_is_sent(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += 10_000
            yield bytes(10_000)
            await asyncio.sleep(0.002)

    async with running_edge(tmp_path, tiny_bundle_directory, largest_picture_bytes=20_000) as (_, client):
        async with asyncio.timeout(10):
            try:
                answer = await client.post(FRAMES, content=endless())
                assert answer.status_code == 413
            except httpx.TransportError:
                # The server may close before this client has read its answer; what counts is that it stopped the body.
                pass
        assert sent < 50_000_000
        metrics = (await client.get("/metrics")).text
    assert metric(metrics, 'taxon_edge_refusals_total{reason="TOO_LARGE"}') == 1


@pytest.mark.asyncio
async def test_a_frame_over_budget_is_answered_so_with_a_time_to_come_back(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    async with running_edge(tmp_path, tiny_bundle_directory, budgets_kbps={"kitchen": 0.1}) as (_, client):
        answers = [await client.post(FRAMES, content=picture(i)) for i in range(40)]
        free = await client.post("/v1/cameras/hall/frames", content=picture())
    coded = [one.json()["coded_bytes"] for one in answers if one.status_code == 200]
    assert 0 < sum(coded) <= 1024 + 100
    assert (answers[-1].status_code, answers[-1].headers["retry-after"]) == (429, "1")
    assert answers[-1].json()["outcome"] == "over_budget"
    assert free.json()["outcome"] == "coded"


@pytest.mark.asyncio
async def test_too_many_cameras_are_busy(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    async with running_edge(tmp_path, tiny_bundle_directory, most_cameras=2) as (_, client):
        answers = [await client.post(f"/v1/cameras/camera{i}/frames", content=picture()) for i in range(3)]
    assert [one.status_code for one in answers] == [200, 200, 429]
    assert (answers[2].json()["title"], answers[2].headers["retry-after"]) == ("BUSY", "1")


@pytest.mark.asyncio
async def test_the_pages_about_it_need_no_other_machine(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    async with running_edge(tmp_path, tiny_bundle_directory) as (_, client):
        page = (await client.get("/docs")).text
        assert "http://" not in page
        assert "https://" not in page
        for asset in ("swagger-ui-bundle.js", "swagger-ui.css", "favicon-32x32.png"):
            assert asset in page
            assert (await client.get(f"/docs/assets/{asset}")).status_code == 200
        assert "'/openapi.json'" in page, "the page reads the one description"
        described = (await client.get("/openapi.json")).json()
        assert (await client.get("/")).headers["location"] == "/docs"
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).json() == {"status": "ready"}
    post = described["paths"]["/v1/cameras/{camera_id}/frames"]["post"]
    assert set(post["requestBody"]["content"]) == {"image/jpeg", "image/png", "image/webp", "image/avif"}
    assert {"200", "400", "404", "413", "415", "429", "503", "504"} <= set(post["responses"])
    assert list(post["responses"]["413"]["content"]) == ["application/problem+json"]
    assert "422" not in post["responses"], "an answer that is never given"
    assert described["openapi"].startswith("3.1")
    assert described["info"]["version"] == version("taxon")


@pytest.mark.asyncio
async def test_what_is_not_there_is_a_problem_too(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    async with running_edge(tmp_path, tiny_bundle_directory) as (_, client):
        answers = [await client.get("/v1/nowhere"), await client.get(FRAMES)]
    assert [one.headers["content-type"] for one in answers] == ["application/problem+json"] * 2
    assert answers[0].json() == {"title": "NOT_FOUND", "status": 404, "detail": "GET /v1/nowhere: Not Found"}
    assert (answers[1].json()["title"], answers[1].headers["allow"]) == ("METHOD_NOT_ALLOWED", "OPTIONS, POST")


@pytest.mark.asyncio
async def test_a_damaged_picture_is_taken_marked_counted_and_logged_once(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    noise = picture(width=320, height=240)
    with capture_logs() as logs:
        async with running_edge(tmp_path, tiny_bundle_directory) as (_, client):
            answers = [await client.post(FRAMES, content=data) for data in (noise, noise[:-2], noise[:-90])]
            refused = await client.post(FRAMES, content=noise[: len(noise) // 2])
            metrics = (await client.get("/metrics")).text
    assert [(one.status_code, one.json()["damage"]) for one in answers] == [(200, None), (200, "no_end"), (200, "cut")]
    assert (refused.status_code, refused.json()["title"]) == (400, "NOT_A_PICTURE")
    counted = [
        metric(metrics, f'taxon_edge_damaged_pictures_total{{camera="kitchen",kind="{kind}"}}')
        for kind in ("no_end", "cut", "corrupt")
    ]
    assert counted == [1, 1, 0]
    assert len([one for one in logs if one["event"] == "damaged pictures taken"]) == 1


@pytest.mark.asyncio
async def test_what_simple_cameras_send_around_a_picture_is_taken_off_and_other_formats_are_named(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    async with running_edge(tmp_path, tiny_bundle_directory, largest_picture_bytes=100_000) as (_, client):
        taken = [
            await client.post(FRAMES, files={"file": ("snap.jpg", picture(), "text/plain")}, data={"camera": "hall"}),
            await client.post(FRAMES, content=b"\r\n" + picture(), headers={"Content-Type": "application/json"}),
            await client.post(FRAMES, content=gzip.compress(picture()), headers={"Content-Encoding": "gzip"}),
        ]
        gif = await client.post(FRAMES, content=b"GIF89a" + bytes(100))
        brotli = await client.post(FRAMES, content=picture(), headers={"Content-Encoding": "br"})
        bomb = await client.post(FRAMES, content=gzip.compress(bytes(10**8)), headers={"Content-Encoding": "gzip"})
        reader, writer = await asyncio.open_connection("127.0.0.1", client.base_url.port)
        head = (
            f"POST {FRAMES} HTTP/1.1\r\nHost: edge\r\nExpect: 100-continue\r\nContent-Length: {len(picture())}\r\n\r\n"
        )
        writer.write(head.encode())
        continues = await reader.readuntil(b"\r\n\r\n")
        writer.write(picture())
        answered = await reader.readuntil(b"\r\n\r\n")
        writer.close()
    assert [one.status_code for one in taken] == [200, 200, 200]
    assert (gif.status_code, gif.json()["title"]) == (415, "UNSUPPORTED_PICTURE")
    assert "a GIF" in gif.json()["detail"]
    assert (brotli.status_code, brotli.json()["title"]) == (415, "UNSUPPORTED_ENCODING")
    assert (bomb.status_code, bomb.json()["title"]) == (413, "TOO_LARGE")
    assert continues.startswith(b"HTTP/1.1 100")
    assert answered.startswith(b"HTTP/1.1 200")


@pytest.mark.asyncio
async def test_refusals_are_told_once_a_minute_for_each_reason_and_frames_when_asked_for(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    with capture_logs() as logs:
        async with running_edge(tmp_path, tiny_bundle_directory) as (_, client):
            for _ in range(3):
                await client.post(FRAMES, content=b"no picture")
            await client.post("/v1/cameras/a%20b/frames", content=picture())
            receipt = (await client.post(FRAMES, content=picture(), headers={"traceparent": TRACE})).json()
    refusals = [(one["reason"], one["camera"], one["log_level"]) for one in logs if one["event"] == "frames refused"]
    assert refusals == [("NOT_A_PICTURE", "kitchen", "warning"), ("BAD_NAME", "a b", "warning")]
    (answered,) = [one for one in logs if one["event"] == "frame answered"]
    assert answered["log_level"] == "debug"
    assert (answered["camera"], answered["sequence"], answered["traceparent"]) == (
        "kitchen",
        receipt["sequence"],
        TRACE,
    )
