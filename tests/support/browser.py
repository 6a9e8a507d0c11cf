"""Debian's Chromium without a window, for tests of the wall. It may talk to this machine alone."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Literal

from playwright.async_api import Browser, Page, async_playwright

from tests.support.debian import DebianPackage

CHROMIUM = DebianPackage("chromium")
PHONE = (360, 740)
DESK = (1440, 900)

ColourScheme = Literal["dark", "light"]


@asynccontextmanager
async def chromium() -> AsyncIterator[Browser]:
    """Start the browser; it resolves no name but this machine's."""
    CHROMIUM.require()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--mute-audio"]
            + ["--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1"],
        )
        try:
            yield browser
        finally:
            await browser.close()


@dataclass
class OpenWall:
    """A page with the wall, with its errors and its requests."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def card(self, camera: str) -> str:
        return f'.camera[data-camera="{camera}"]'

    def part(self, camera: str, task: str) -> str:
        return f'{self.card(camera)} [data-task="{task}"]'

    async def text(self, selector: str) -> str:
        return " ".join((await self.page.locator(selector).inner_text()).split())

    async def state(self, camera: str, words: str, seconds: float = 20) -> None:
        """Wait until a camera's state reads so."""
        state = self.page.locator(f"{self.card(camera)} .state", has_text=words)
        await state.wait_for(timeout=seconds * 1000)

    async def until(self, expression: str, argument: Any = None, seconds: float = 20) -> None:
        """Wait until a JavaScript expression holds, evaluated ten times a second."""
        await self.page.wait_for_function(expression, arg=argument, timeout=seconds * 1000, polling=100)

    async def drawn(self, camera: str, task: str, seconds: float = 30) -> None:
        """Wait until there is a picture of more than one colour."""
        await self.until(
            """selector => {
                const canvas = document.querySelector(selector + " canvas");
                if (!canvas?.dataset.sequence || canvas.closest(".is-off, .is-waiting")) return false;
                const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
                const values = new Uint32Array(pixels.buffer);
                return values.some(value => value !== values[0]) && values.every(value => value >>> 24 === 255);
            }""",
            self.part(camera, task),
            seconds,
        )

    async def turn(self, camera: str, task: str) -> None:
        """Press a switch of one camera's card."""
        await self.page.locator(f"{self.part(camera, task)} .chip").click()

    async def overflow_pixels(self) -> int:
        """Return by how many pixels the page is wider than the window."""
        return int(await self.page.evaluate("document.documentElement.scrollWidth - window.innerWidth"))


@asynccontextmanager
async def wall_in(
    browser: Browser, url: str, size: tuple[int, int] = DESK, scheme: ColourScheme = "light", **options: Any
) -> AsyncIterator[OpenWall]:
    """Open the wall in a browser context that keeps nothing of an earlier page. size: width and height in pixels."""
    context = await browser.new_context(
        viewport={"width": size[0], "height": size[1]}, color_scheme=scheme, locale="en-GB", **options
    )
    try:
        wall = OpenWall(await context.new_page(), url)
        wall.page.on("console", lambda m: wall.complaints.append(m.text) if m.type in ("error", "warning") else None)
        wall.page.on("pageerror", lambda error: wall.complaints.append(str(error)))
        wall.page.on("request", lambda request: wall.requests.append(request.url))
        wall.page.on("websocket", lambda socket: wall.requests.append(socket.url))
        await wall.page.goto(url)
        yield wall
    finally:
        await context.close()
