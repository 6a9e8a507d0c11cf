"""The wall in real Chromium, with real results: cards, pictures, switches, troubles, phone and keyboard."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import pytest_asyncio
from playwright.async_api import Browser
from prometheus_client import CollectorRegistry

from cloud_analytics.wall import WALL_OPEN_PATHS, add_wall
from shared.model.bundle import Bundle
from shared.model.shipped import SHIPPED_BUNDLE
from shared.model.tasks import TASKS
from shared.server.access.callers import Access
from shared.server.access.token_file import Tokens
from shared.server.http_server import WebServer, web_app
from tests.support.browser import CHROMIUM, DESK, PHONE, OpenWall, chromium, wall_in
from tests.support.security import TokenFolder
from tests.support.wall import Feeder

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("kitchen", "living_room")
DENSE = tuple(task.name for task in TASKS if task.is_dense)
CLASSES = tuple(task.name for task in TASKS if not task.is_dense)
GEOMETRY = ("normal", "reshading", "principal_curvature")
FPS = 2.0

pytestmark = [
    pytest.mark.starts_process,
    pytest.mark.asyncio(loop_scope="module"),
    CHROMIUM.needed,
]


@dataclass
class Service:
    """The wall's part of a cloud, with its feeder; it can be stopped and started again at the same address."""

    feeder: Feeder
    server: WebServer | None = None
    port: int = 0
    access: Access | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/"

    async def start(self) -> None:
        app = web_app("taxon cloud", "", lambda: None, CollectorRegistry(), self.access, WALL_OPEN_PATHS)
        add_wall(app, self.feeder, access=self.access)
        self.server = WebServer(app, f"127.0.0.1:{self.port}")
        await self.server.start()
        self.port = self.server.port

    async def stop(self) -> None:
        assert self.server is not None
        await self.server.stop(1)


@pytest_asyncio.fixture(loop_scope="module", scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def bundle() -> Bundle:
    return Bundle.load(SHIPPED_BUNDLE)


@asynccontextmanager
async def serving(bundle: Bundle, *rooms: str, access: Access | None = None) -> AsyncIterator[Service]:
    feeder = Feeder(bundle, {room: sorted((ROOT / "samples" / room).glob("*.jpg"))[:8] for room in rooms}, FPS)
    service = Service(feeder, access=access)
    await service.start()
    playing = asyncio.create_task(feeder.play())
    try:
        yield service
        assert not playing.done(), playing
    finally:
        playing.cancel()
        await asyncio.gather(playing, return_exceptions=True)
        await service.stop()


async def bytes_a_frame(wall: OpenWall, camera: str) -> int:
    text = await wall.text(f'{wall.card(camera)} [data-figure="bytes"]')
    return int(text.split()[0])


async def test_every_camera_has_a_card_with_six_live_results(browser: Browser, bundle: Bundle) -> None:
    async with serving(bundle, *ROOMS) as service, wall_in(browser, service.url) as wall:
        for room in ROOMS:
            for task in DENSE:
                await wall.drawn(room, task)
            for task in CLASSES:
                await wall.page.locator(f"{wall.part(room, task)} li").nth(2).wait_for()
            await wall.state(room, "Live")
            labels = set(bundle.manifest.tasks["class_scene"].labels)
            shown = await wall.page.locator(f"{wall.part(room, 'class_scene')} li span").all_inner_texts()
            assert {words.replace(" ", "_") for words in shown} <= labels, f"{shown} are no scenes of the bundle"
            assert 100 < await bytes_a_frame(wall, room) < 400, "the card says what the bitstreams have"
            await wall.page.locator(f'{wall.card(room)} [data-figure="delay"]', has_text="ms").wait_for()
            delay = await wall.text(f'{wall.card(room)} [data-figure="delay"]')
            assert 0 < float(delay.split()[0]) < 5000, f"a delay of {delay}"
        assert await wall.page.locator(".camera").count() == len(ROOMS)
        assert await wall.text('[data-total="live"]') == "2 of 2"
        assert wall.complaints == []
        foreign = [url for url in wall.requests if not url.split("://")[1].startswith(f"127.0.0.1:{service.port}/")]
        assert foreign == [], "the wall asks nobody but its own service"
        assert any(url.startswith("ws://") for url in wall.requests)


async def test_segmentation_is_drawn_in_its_legends_colours(browser: Browser, bundle: Bundle) -> None:
    async with serving(bundle, "kitchen") as service, wall_in(browser, service.url) as wall:
        await wall.drawn("kitchen", "segment_semantic")
        strange = await wall.page.evaluate(
            """selector => {
                const canvas = document.querySelector(selector + " canvas");
                const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
                const hex = part => part.toString(16).padStart(2, "0");
                const colours = new Set();
                for (let at = 0; at < pixels.length; at += 4)
                    colours.add("#" + hex(pixels[at]) + hex(pixels[at + 1]) + hex(pixels[at + 2]));
                const marks = document.querySelectorAll(".legend rect");
                const legend = new Set([...marks].map(mark => mark.getAttribute("fill")));
                return [...colours].filter(colour => !legend.has(colour));
            }""",
            wall.part("kitchen", "segment_semantic"),
        )
        assert strange == []
        shares = await wall.page.locator(".legend li.present b").all_inner_texts()
        total = sum(int(share.split()[0]) for share in shares)
        assert 90 <= total <= 107, f"the shares of the classes add up to {total} %"


async def test_a_task_switched_off_is_no_longer_coded_and_comes_back(browser: Browser, bundle: Bundle) -> None:
    async with serving(bundle, *ROOMS) as service, wall_in(browser, service.url) as wall:
        await wall.drawn("kitchen", "normal")
        await wall.drawn("living_room", "normal")
        await wall.until("() => document.querySelector('[data-figure=bytes]').textContent !== '–'")
        before = await bytes_a_frame(wall, "kitchen")
        for task in GEOMETRY:
            await wall.turn("kitchen", task)
        geometry = f'{wall.card("kitchen")} [data-group="geometry"]'
        await wall.page.locator(geometry, has_text="not coded").wait_for()
        assert service.feeder.groups_wanted("kitchen") == ("semantic",)
        assert service.feeder.groups_wanted("living_room") == ("semantic", "geometry"), "switches are of one camera"
        after = await bytes_a_frame(wall, "kitchen")
        assert after < 0.7 * before, f"{before} bytes a frame fell to {after} only"
        assert await wall.text(f"{wall.part('kitchen', 'normal')} .picture") == "off"
        assert not await wall.page.evaluate(
            "s => new Uint32Array(document.querySelector(s).getContext('2d').getImageData(0, 0, 32, 32).data.buffer)"
            ".some(value => value)",
            f"{wall.part('kitchen', 'normal')} canvas",
        ), "the picture of a task that is off is gone"
        await wall.drawn("kitchen", "segment_semantic")
        await wall.turn("kitchen", "normal")
        await wall.drawn("kitchen", "normal")
        assert service.feeder.groups_wanted("kitchen") == ("semantic", "geometry")


async def test_nothing_subscribed_means_no_bits(browser: Browser, bundle: Bundle) -> None:
    async with serving(bundle, *ROOMS) as service, wall_in(browser, service.url) as wall:
        await wall.drawn("kitchen", "normal")
        for chip in await wall.page.locator(".chips .chip").all():
            await chip.click()
        for room in ROOMS:
            await wall.state(room, "Nothing subscribed: no bits")
            assert service.feeder.groups_wanted(room) == ()
        sequences = [feed.sequence for feed in service.feeder.feeds.values()]
        await asyncio.sleep(2 / FPS)
        assert [feed.sequence for feed in service.feeder.feeds.values()] == sequences, "no frame is coded any more"
        assert await wall.text('[data-total="rate"]') == "0 kbit/s"
        await wall.page.locator(".chips .chip").first.click()
        await wall.state("kitchen", "Live")
        assert service.feeder.groups_wanted("kitchen") == ("semantic",)


async def test_it_says_that_a_camera_is_silent_and_that_a_link_is_down(browser: Browser, bundle: Bundle) -> None:
    async with serving(bundle, *ROOMS) as service, wall_in(browser, service.url) as wall:
        await wall.state("kitchen", "Live")
        service.feeder.feeds["kitchen"].running = False
        service.feeder.feeds["living_room"].connected = False
        await wall.state("living_room", "Link down")
        await wall.state("kitchen", "Silent since")
        spoken = await wall.page.locator(".spoken").text_content()
        assert "kitchen: Silent" in str(spoken), "readers of the screen hear it too"
        assert "living_room: Link down" in str(spoken), "readers of the screen hear it too"
        assert await wall.text('[data-total="live"]') == "0 of 2"
        service.feeder.feeds["kitchen"].running = True
        service.feeder.feeds["living_room"].connected = True
        await wall.state("kitchen", "Live")
        await wall.state("living_room", "Live")


async def test_it_connects_again_and_takes_its_switches_along(browser: Browser, bundle: Bundle) -> None:
    async with serving(bundle, *ROOMS) as service, wall_in(browser, service.url) as wall:
        await wall.drawn("kitchen", "reshading")
        for task in GEOMETRY:
            await wall.turn("kitchen", task)
        await wall.page.locator(f'{wall.card("kitchen")} [data-group="geometry"]', has_text="not coded").wait_for()
        await service.stop()
        await wall.page.locator(".banner", has_text="The connection to the cloud is lost").wait_for()
        assert await wall.page.locator(".camera.is-stale").count() == 2, "old pictures do not look live"
        assert service.feeder.streams == [], "a wall that is gone leaves no wish behind"
        await service.start()
        await wall.page.locator(".banner").wait_for(state="hidden")
        await wall.state("kitchen", "Live")
        assert service.feeder.groups_wanted("kitchen") == ("semantic",)
        assert service.feeder.groups_wanted("living_room") == ("semantic", "geometry")
        refused = [words for words in wall.complaints if "ERR_CONNECTION_REFUSED" not in words]
        assert refused == [], "but for the attempts in between there is nothing to complain of"


async def test_without_cameras_it_tells_how_to_start_one_and_shows_it_when_it_comes(
    browser: Browser, bundle: Bundle
) -> None:
    async with serving(bundle) as service, wall_in(browser, service.url) as wall:
        told = await wall.page.locator(".nobody code").inner_text()
        assert "taxon camera" in told
        pictures = sorted((ROOT / "samples" / "bedroom").glob("*.jpg"))[:4]
        late = Feeder(bundle, {"bedroom": pictures}, FPS)
        service.feeder.feeds.update(late.feeds)
        await wall.drawn("bedroom", "normal")
        assert await wall.page.locator(".nobody").is_hidden()


@pytest.mark.parametrize("scheme", ["dark", "light"])
async def test_a_phone_needs_no_sideways_scrolling(browser: Browser, bundle: Bundle, scheme: str) -> None:
    async with (
        serving(bundle, "kitchen") as service,
        wall_in(browser, service.url, PHONE, "dark" if scheme == "dark" else "light", has_touch=True) as wall,
    ):
        service.feeder.feeds["a-camera-with-a-name-of-sixty-four-characters-which-is-the-longest"[:64]] = (
            service.feeder.feeds["kitchen"]
        )
        await wall.drawn("kitchen", "normal")
        await wall.until("() => document.querySelectorAll('.camera').length === 2")
        await wall.page.locator("summary").click()
        assert await wall.overflow_pixels() <= 0
        cut = await wall.page.evaluate(
            """() => [...document.querySelectorAll("main *, footer *, .top *")].filter(element => {
                const box = element.getBoundingClientRect();
                return box.width > 1 && box.right > window.innerWidth + 0.5;
            }).map(element => element.className || element.tagName)"""
        )
        assert cut == []
        red, green, blue = await wall.page.evaluate(
            "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).slice(0, 3).map(Number)"
        )
        assert (red + green + blue < 150) == (scheme == "dark"), "the page follows the device's colours"
        assert wall.complaints == []


async def test_keyboard_and_reader_of_the_screen_reach_everything(browser: Browser, bundle: Bundle) -> None:
    async with (
        serving(bundle, "kitchen") as service,
        wall_in(browser, service.url, DESK, "light", reduced_motion="reduce") as wall,
    ):
        await wall.drawn("kitchen", "normal")
        switch = wall.page.get_by_role("switch", name="Normals of kitchen")
        for _ in range(30):
            await wall.page.keyboard.press("Tab")
            if await switch.evaluate("element => element === document.activeElement"):
                break
        else:
            pytest.fail("the switch of the normals is not reached with the tabulator key")
        await wall.page.keyboard.press("Space")
        await wall.page.locator(f"{wall.part('kitchen', 'normal')}.is-off").wait_for()
        assert not await switch.is_checked()
        names = await wall.page.evaluate(
            """() => [...document.querySelectorAll("canvas, input, article, svg[role=img]")]
                .map(element => element.getAttribute("aria-label"))"""
        )
        assert all(names), "every picture and switch has a name"
        moving = await wall.page.evaluate(
            """() => [...document.querySelectorAll("*")].filter(e => getComputedStyle(e).transitionDuration
                .split(", ").some(time => parseFloat(time) > 0)).length"""
        )
        assert moving == 0, "nothing moves where less motion is asked for"


async def test_the_page_shows_the_token_of_its_address_and_forgets_the_address(
    browser: Browser, bundle: Bundle, tmp_path: Path
) -> None:
    folder = TokenFolder(tmp_path)
    token = folder.add("wall", "subscribe").read_text().strip()
    async with serving(bundle, "kitchen", access=Access(Tokens(folder.path))) as service:
        async with wall_in(browser, f"{service.url}#token={token}") as wall:
            await wall.drawn("kitchen", "segment_semantic")
            assert wall.page.url == service.url
            assert not [url for url in wall.requests if token in url]
        async with wall_in(browser, service.url) as wall:
            await wall.page.get_by_text("UNAUTHENTICATED").first.wait_for()
            assert await wall.page.locator(".camera").count() == 0
