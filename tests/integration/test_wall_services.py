"""The wall of the real cloud, with a real edge and three real cameras: its switches reach the edge, its words are true."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from shared.model.tasks import TASKS
from tests.support.browser import CHROMIUM, OpenWall, chromium, wall_in
from tests.support.live_stack import ROOMS, LiveWall, live_wall

DENSE = tuple(task.name for task in TASKS if task.is_dense)
GEOMETRY = ("normal", "reshading", "principal_curvature")
FPS = 2.0

pytestmark = [CHROMIUM.needed, pytest.mark.starts_process]


async def coded_bytes(live: LiveWall, camera: str, group: str) -> float:
    """What the edge has coded so far."""
    return await live.edge.metric("taxon_edge_coded_bytes_total", camera=camera, group=group)


async def everything_is_shown(wall: OpenWall) -> None:
    for room in ROOMS:
        for task in DENSE:
            await wall.drawn(room, task)
        await wall.page.locator(f"{wall.part(room, 'class_scene')} li").first.wait_for()
        await wall.state(room, "Live")


async def switches_reach_the_edge(wall: OpenWall, live: LiveWall) -> None:
    for task in GEOMETRY:
        await wall.turn("kitchen", task)
    geometry = f'{wall.card("kitchen")} [data-group="geometry"]'
    await wall.page.locator(geometry, has_text="not coded").wait_for()
    before = {room: await coded_bytes(live, room, "geometry") for room in ROOMS}
    await asyncio.sleep(3 / FPS)
    after = {room: await coded_bytes(live, room, "geometry") for room in ROOMS}
    assert after["kitchen"] == before["kitchen"] > 0, "the edge codes no geometry of the kitchen any more"
    assert after["bedroom"] > before["bedroom"], "that of the bedroom it does"


async def no_switches_no_bits(wall: OpenWall, live: LiveWall) -> None:
    chips = await wall.page.locator(".chips .chip").all()
    for chip in chips:
        if await chip.locator("input").evaluate("input => input.indeterminate"):
            await chip.click()
        if await chip.locator("input").is_checked():
            await chip.click()
    for room in ROOMS:
        await wall.state(room, "Nothing subscribed: no bits")
    before = [await coded_bytes(live, room, group) for room in ROOMS for group in ("semantic", "geometry")]
    await asyncio.sleep(3 / FPS)
    after = [await coded_bytes(live, room, group) for room in ROOMS for group in ("semantic", "geometry")]
    assert after == before, "the edge codes nothing"
    for chip in chips:
        await chip.click()
    await everything_is_shown(wall)


async def troubles_are_told(wall: OpenWall, live: LiveWall) -> None:
    await live.cameras["bedroom"].stop()
    await wall.state("bedroom", "Silent since", 30)
    await wall.state("kitchen", "Live")
    await live.edge.kill()
    await wall.state("kitchen", "Link down", 30)
    await live.edge.start()
    await wall.state("kitchen", "Live", 60)
    await live.cameras["bedroom"].start()
    await wall.state("bedroom", "Live", 60)


async def the_cloud_comes_back(wall: OpenWall, live: LiveWall) -> None:
    await wall.turn("kitchen", "normal")
    await live.cloud.kill()
    await wall.page.locator(".banner", has_text="The connection to the cloud is lost").wait_for()
    await live.cloud.start()
    await wall.page.locator(".banner").wait_for(state="hidden", timeout=30_000)
    for room in ROOMS:
        await wall.state(room, "Live", 60)
    await wall.drawn("kitchen", "reshading")
    assert not await wall.page.get_by_role("switch", name="Normals of kitchen").is_checked()


@pytest.mark.asyncio
async def test_the_wall_of_real_services(tmp_path: Path) -> None:
    async with (
        live_wall(tmp_path, FPS) as live,
        chromium() as browser,
        wall_in(browser, f"{live.cloud.url}/") as wall,
    ):
        await everything_is_shown(wall)
        assert wall.complaints == []
        await switches_reach_the_edge(wall, live)
        await no_switches_no_bits(wall, live)
        await troubles_are_told(wall, live)
        await the_cloud_comes_back(wall, live)
        home = live.cloud.url.removeprefix("http://")
        assert all(url.split("://")[1].startswith(home) for url in wall.requests), "the wall asks its own cloud alone"
