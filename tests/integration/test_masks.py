"""Masks and crops with a real edge over HTTP: nothing from under a mask leaves it, in a bitstream or in a preview."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image
from structlog.testing import capture_logs

from edge_encoder.encoding.encoder import Encoder
from edge_encoder.encoding.preprocess import preprocess
from edge_encoder.encoding.view import WHOLE_PICTURE, View
from edge_encoder.service import EdgeService
from shared.contract.geometry import Crop, Geometry
from shared.model.bundle import Bundle
from taxon.main import main
from tests.support.edge import BOTH, RecordingCloud, running_edge, wanted
from tests.support.security import TokenFolder, header
from tests.trials.chaos.masked import HEIGHT, VIEW, WIDTH, scene

pytestmark = pytest.mark.starts_server

FRAMES, PREVIEW = "/v1/cameras/hall/frames", "/v1/cameras/hall/preview"
LARGER = View(VIEW.crop, (((0.1, 0.1), (0.5, 0.1), (0.5, 0.7), (0.1, 0.7)),))


@pytest.fixture(scope="module")
def encoder(tiny_bundle: Bundle) -> Encoder:
    return Encoder(tiny_bundle, threads=1)


def expected(encoder: Encoder, number: int, view: View) -> bytes:
    manifest = encoder.bundle.manifest
    return encoder.encode(preprocess(scene(number), manifest.input, view).pixels, BOTH, manifest.default_rate).bitstream


async def set_view(client: httpx.AsyncClient, view: View) -> None:
    answer = await client.put("/v1/cameras/hall", json={"view": view.document()})
    assert answer.is_success, answer.text


async def post(client: httpx.AsyncClient, number: int) -> int:
    """Post a scene, and return its sequence."""
    answer = await client.post(FRAMES, content=scene(number))
    assert (answer.status_code, answer.json()["outcome"]) == (200, "coded"), answer.text
    return int(answer.json()["sequence"])


@asynccontextmanager
async def recording(bundle: Bundle) -> AsyncIterator[RecordingCloud]:
    cloud = RecordingCloud([bundle.digest], wanted(*BOTH))
    await cloud.start()
    try:
        yield cloud
    finally:
        await cloud.stop()


@pytest.mark.asyncio
async def test_what_lies_under_a_mask_changes_no_byte_that_leaves_the_edge_also_after_a_restart(
    tmp_path: Path, tiny_bundle_directory: Path, tiny_bundle: Bundle, encoder: Encoder
) -> None:
    async with recording(tiny_bundle) as cloud:
        address = f"127.0.0.1:{cloud.port}"
        async with running_edge(tmp_path, tiny_bundle_directory, address) as (_, client):
            await set_view(client, VIEW)
            for number in range(3):
                await post(client, number)
        async with running_edge(tmp_path, tiny_bundle_directory, address) as (_, client):
            for number in range(3, 6):
                await post(client, number)
            await cloud.until(packets=6)
            await set_view(client, WHOLE_PICTURE)
            for number in range(6, 9):
                await post(client, number)
            await cloud.until(packets=9)
    size = tiny_bundle.manifest.input
    cropped = Geometry(WIDTH, HEIGHT, size.width, size.height, Crop(0, 0, WIDTH * 3 // 4, HEIGHT))
    assert [one.geometry for one in cloud.packets] == [cropped] * 6 + [
        Geometry(WIDTH, HEIGHT, size.width, size.height)
    ] * 3
    assert {one.bitstream for one in cloud.packets[:6]} == {expected(encoder, 0, VIEW)}
    assert len({one.bitstream for one in cloud.packets[6:]}) == 3, "without the mask the scenes are told apart"


@pytest.mark.asyncio
async def test_a_frame_that_is_posted_after_a_masks_change_is_coded_with_the_new_mask(
    tmp_path: Path, tiny_bundle_directory: Path, tiny_bundle: Bundle, encoder: Encoder
) -> None:
    rounds = 12
    async with (
        recording(tiny_bundle) as cloud,
        running_edge(tmp_path, tiny_bundle_directory, f"127.0.0.1:{cloud.port}", queue_policy="all") as (_, client),
    ):
        await set_view(client, LARGER)
        posted = []
        for number in range(rounds):
            meanwhile = asyncio.create_task(post(client, 100 + number))
            await set_view(client, (VIEW, LARGER)[number % 2])
            posted.append(await post(client, number))
            await meanwhile
        await cloud.until(packets=2 * rounds)
    views = {expected(encoder, 0, VIEW): VIEW, expected(encoder, 0, LARGER): LARGER}
    coded = {one.sequence: views[one.bitstream] for one in cloud.packets}
    assert len(views) == 2
    assert [coded[sequence] for sequence in posted] == [VIEW, LARGER] * (rounds // 2)


async def preview(client: httpx.AsyncClient, number: int, **options: dict[str, str]) -> httpx.Response:
    """Ask for a preview, and post until it is there."""
    asking = asyncio.create_task(client.get(PREVIEW, **options))  # type: ignore[arg-type]
    while not asking.done():
        await client.post(FRAMES, content=scene(number), **options)  # type: ignore[arg-type]
        await asyncio.sleep(0.05)
    return await asking


@pytest.mark.asyncio
async def test_a_preview_shows_nothing_from_under_a_mask_and_is_written_to_the_log(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    # Nobody wants this camera's results: it can be looked at all the same.
    async with running_edge(tmp_path, tiny_bundle_directory, pinned_groups=[]) as (_, client):
        unknown = await client.get(PREVIEW)
        await set_view(client, VIEW)
        late = await client.get(PREVIEW, params={"wait_seconds": 0.05})
        with capture_logs() as logs:
            found = [await preview(client, number) for number in range(2)]
        await set_view(client, View((0.0, 0.0, 0.05, 1.0)))
        refused = await preview(client, 0)
    assert (unknown.status_code, late.status_code) == (404, 504)
    assert [one.headers["content-type"] for one in found] == ["image/png"] * 2
    assert found[0].headers["cache-control"] == "no-store"
    first, second = (np.asarray(Image.open(io.BytesIO(one.content))) for one in found)
    assert np.array_equal(first, second), "the scenes differ under the mask alone"
    assert {line["camera"] for line in logs if line["event"] == "a preview left the edge"} == {"hall"}
    assert (refused.status_code, refused.json()["title"]) == (422, "VIEW_NOT_APPLIED")


@pytest.mark.asyncio
async def test_a_preview_takes_the_scope_that_manages_the_camera(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    tokens = TokenFolder(tmp_path / "tokens")
    named = {"camera": "post:hall", "manager": "post:hall,manage:hall", "other": "manage:door", "watcher": "metrics"}
    files = {name: tokens.add(name, scopes) for name, scopes in named.items()}
    async with running_edge(tmp_path / "edge", tiny_bundle_directory, tokens=tokens.path) as (_, client):
        for name in ("camera", "other", "watcher"):
            answer = await client.get(PREVIEW, headers=header(files[name]))
            assert (answer.status_code, answer.json()["title"]) == (403, "PERMISSION_DENIED"), name
        assert (await preview(client, 0, headers=header(files["manager"]))).status_code == 200
    for options in ({"previews": False}, {"http": "0.0.0.0:0", "insecure": True}):
        async with running_edge(tmp_path / "edge", tiny_bundle_directory, **options) as (_, client):
            answer = await client.get(PREVIEW)
            assert (answer.status_code, answer.json()["title"]) == (403, "PREVIEWS_OFF"), options


@pytest.mark.asyncio
async def test_the_command_writes_the_edges_preview_and_says_why_there_is_none(
    tmp_path: Path, tiny_bundle_directory: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "hall.png"

    def command(edge: EdgeService, camera: str, *more: str) -> int:
        return main(
            ["cameras", "preview", camera, "-o", str(file), "--edge", f"http://127.0.0.1:{edge.http_port}", *more]
        )

    async with running_edge(tmp_path / "edge", tiny_bundle_directory) as (edge, client):
        assert await asyncio.to_thread(command, edge, "nobody") == 1
        assert "unknown camera nobody" in capsys.readouterr().err
        await set_view(client, VIEW)
        asking = asyncio.create_task(asyncio.to_thread(command, edge, "hall", "--wait", "20"))
        while not asking.done():
            await post(client, 0)
            await asyncio.sleep(0.05)
        assert await asking == 0
    assert Image.open(io.BytesIO(file.read_bytes())).size == (640, 480)
    picture = tmp_path / "scene.jpg"
    picture.write_bytes(scene(1))
    (tmp_path / "view.json").write_text(json.dumps(VIEW.document()))
    again = ["cameras", "preview", "--picture", str(picture), "--view", str(tmp_path / "view.json")]
    again += ["-o", str(tmp_path / "again.png"), "--bundle", str(tiny_bundle_directory)]
    assert main(again) == 0
    assert (tmp_path / "again.png").read_bytes() == file.read_bytes(), "the edge's own way, on another scene"
