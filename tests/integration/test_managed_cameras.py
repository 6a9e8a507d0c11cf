"""Cameras managed at run time, with a real edge and the command: added, changed, paused, kept over a restart, named in a file."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from tests.support.pictures import picture
from tests.support.services import Finished, ServiceProcess, running, taxon

pytestmark = [pytest.mark.starts_process, pytest.mark.asyncio]

SECONDS = 30.0
PASSWORD = "gehe!m@1"


def edge_of(folder: Path, bundle: Path, *options: str) -> ServiceProcess:
    common = ("--bundle", str(bundle), "--threads", "1", "--pinned-groups", "semantic")
    return ServiceProcess("edge", folder / "edge", (*common, *options))


def pictures_in(folder: Path) -> Path:
    folder.mkdir()
    for number in range(3):
        (folder / f"{number}.jpg").write_bytes(picture(number, 64, 48))
    return folder


async def cameras(edge: ServiceProcess, *words: object) -> Finished:
    return await asyncio.to_thread(taxon, "cameras", *words, "--edge", edge.url)


async def camera(edge: ServiceProcess, name: str) -> dict[str, Any]:
    shown = await cameras(edge, "show", name, "--json")
    assert shown.status == 0, shown.errors
    found: dict[str, Any] = json.loads(shown.out)
    return found


async def until(edge: ServiceProcess, name: str, holds: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
    async with asyncio.timeout(SECONDS), edge.browser(5) as client:
        while True:
            found = (await client.get(f"{edge.url}/v1/cameras/{name}")).json()
            if "camera_id" in found and holds(found):
                return dict(found)
            await asyncio.sleep(0.1)


async def test_a_camera_is_added_changed_paused_and_kept_over_a_restart(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    edge, played = edge_of(tmp_path, tiny_bundle_directory), pictures_in(tmp_path / "pictures")
    async with running(edge):
        added = await cameras(edge, "add", "hall", "--source", played, "--fps", 20)
        assert (added.status, added.errors) == (0, ())
        before = await until(edge, "hall", lambda one: one["coded"] >= 3)
        assert before["source"]["state"] == "live"
        again = await cameras(edge, "add", "hall", "--source", played)
        assert again.status == 1
        assert again.errors == ("taxon: camera hall is there already; change it with taxon cameras change",)
        view = tmp_path / "view.json"
        view.write_text('{"masks": [[[0.5, 0.0], [1.0, 0.0], [1.0, 0.5]]]}')
        assert (await cameras(edge, "change", "hall", "--most-fps", 4, "--view", view)).status == 0
        preview = tmp_path / "hall.png"
        assert (await cameras(edge, "preview", "hall", "-o", preview)).status == 0
        with Image.open(preview) as seen:
            assert seen.getpixel((round(0.85 * seen.width), round(0.15 * seen.height))) == (128, 128, 128)
        assert (await cameras(edge, "pause", "hall")).out == "hall is paused\n"
        paused = await until(edge, "hall", lambda one: one["paused"] and one["source"] is None)
        await asyncio.sleep(0.5)
        assert (await camera(edge, "hall"))["coded"] == paused["coded"]
        assert (await cameras(edge, "add", "gate", "--source", f"rtsp://admin:{PASSWORD}@127.0.0.1:1/x")).status == 0
        assert PASSWORD not in (await cameras(edge, "list")).out
        await edge.stop()
        await edge.start()
        kept = await camera(edge, "hall")
        assert kept["paused"]
        assert (kept["settings"]["source"], kept["settings"]["most_fps"]) == (str(played), 4)
        assert kept["settings"]["view"]["masks"] == [[[0.5, 0.0], [1.0, 0.0], [1.0, 0.5]]]
        assert (await cameras(edge, "resume", "hall")).status == 0
        await until(edge, "hall", lambda one: one["coded"] >= 1)
        assert (await cameras(edge, "remove", "gate")).status == 0
        assert (await cameras(edge, "show", "gate")).errors == ("taxon: unknown camera gate",)
        assert PASSWORD not in edge.log.read_text()


async def test_a_change_of_the_cameras_file_is_taken_without_a_restart_and_a_broken_one_changes_nothing(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    played, file = pictures_in(tmp_path / "pictures"), tmp_path / "cameras.toml"
    file.write_text(f'[cameras.hall]\nsource = "{played}"\nfps = 10\n')
    edge = edge_of(tmp_path, tiny_bundle_directory, "--cameras-file", str(file))
    async with running(edge):
        await until(edge, "hall", lambda one: one["coded"] >= 1)
        refused = await cameras(edge, "change", "hall", "--fps", 1)
        assert refused.status == 1
        assert "change it there" in refused.errors[0]
        written = file.with_name("new")
        written.write_text(f'[cameras.hall]\nsource = "{played}"\nfps = 5\n[cameras.door]\nmost_fps = 1\n')
        written.replace(file)
        await until(edge, "door", lambda one: one["origin"] == "file")
        assert (await camera(edge, "hall"))["settings"]["fps"] == 5
        file.write_text("[cameras.hall]\nsource = 7\n")
        async with asyncio.timeout(SECONDS):
            while not await edge.metric("taxon_edge_cameras_file_refused"):
                await asyncio.sleep(0.1)
        assert (await camera(edge, "hall"))["settings"]["fps"] == 5
        assert "line 2" in edge.log.read_text()
