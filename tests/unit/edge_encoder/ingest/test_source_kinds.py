"""What an edge makes of the kinds of sources: each frame that is due is coded, once, also over a restart."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest

from shared.sources.folders import watched
from tests.support.clips import CLIP_FPS, write_clip
from tests.support.edge import running_edge
from tests.support.http_camera import HttpCamera, Lock, Reply, Request, http_camera
from tests.support.pictures import picture

pytestmark = [pytest.mark.starts_server, pytest.mark.asyncio]

Cameras = dict[str, dict[str, Any]]


async def cameras_of(client: httpx.AsyncClient) -> Cameras:
    return {one["camera_id"]: one for one in (await client.get("/v1/cameras")).json()["cameras"]}


async def until(client: httpx.AsyncClient, is_so: Callable[[Cameras], bool]) -> Cameras:
    async with asyncio.timeout(30):
        while not is_so(found := await cameras_of(client)):
            await asyncio.sleep(0.05)
    return found


def has_coded(frames: int, found: Cameras) -> bool:
    return bool(found["gate"]["coded"] >= frames)


def snapshot(_: Request, number: int) -> Reply:
    return Reply(picture(number % 5))


async def test_picture_urls_and_short_clips_give_one_frame_an_interval(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    clip = write_clip(tmp_path / "clip.mp4", CLIP_FPS // 5)
    lock = Lock(b"admin", b"p@ss/1", ("SHA-256", "MD5"))
    with http_camera(HttpCamera(snapshot, lock)) as door, http_camera(HttpCamera(snapshot, lock)) as wrong:
        sources = [
            f"door@4={door.url(login='admin:p%40ss%2F1')}",
            f"wrong@4={wrong.url(login='admin:hunter2')}",
            f"clip@2={clip}",
        ]
        settings: dict[str, Any] = {"source": sources, "pinned_groups": ["geometry"], "queue_policy": "all"}
        async with running_edge(tmp_path / "data", tiny_bundle_directory, **settings) as (_, client):
            begun = time.monotonic()
            await until(client, lambda found: found["door"]["coded"] >= 8 and found["clip"]["coded"] >= 4)
            seconds = time.monotonic() - begun
            found = await cameras_of(client)
        gets = len(door.let_in)
    assert gets - 1 <= found["door"]["coded"] + 1 <= gets + 2, "each GET is a frame"
    assert seconds > 1.4, "four GETs a second, and two frames of the clip"
    assert found["clip"]["coded"] <= 2 * seconds + 4
    assert found["wrong"]["source"]["state"] == "refused"
    assert "hunter2" not in str(found)
    assert len(wrong.requests) <= 2, "a wrong password is not tried again at once"


async def test_a_watched_folder_is_coded_once_and_goes_on_after_a_restart(
    tmp_path: Path, tiny_bundle_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "LOOK_SECONDS", 0.1)
    folder = tmp_path / "ftp"
    folder.mkdir()
    settings: dict[str, Any] = {
        "source": [f"gate@50=watch:{folder}"],
        "pinned_groups": ["geometry"],
        "queue_policy": "all",
    }
    for coded, numbers in ((4, range(4)), (3, range(4, 7)), (1, range(7, 8))):
        for number in numbers:
            (folder / f"{number}.jpg").write_bytes(picture(number % 5))
        async with running_edge(tmp_path / "data", tiny_bundle_directory, **settings) as (_, client):
            await until(client, partial(has_coded, coded))
            await asyncio.sleep(0.4)
            assert (await cameras_of(client))["gate"]["coded"] == coded
