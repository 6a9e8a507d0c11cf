"""The page at /docs in real Chromium: it shows the contract, and asks no other machine for anything."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.browser import CHROMIUM, chromium
from tests.support.edge import running_edge

pytestmark = pytest.mark.starts_process


@pytest.mark.asyncio
@CHROMIUM.needed
async def test_the_page_shows_the_routes_and_their_answers(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    async with running_edge(tmp_path, tiny_bundle_directory) as (_, client), chromium() as browser:
        page = await browser.new_page()
        requests: list[str] = []
        page.on("request", lambda request: requests.append(request.url))
        await page.goto(f"{client.base_url}")
        post = page.locator(".opblock-post", has_text="/v1/cameras/{camera_id}/frames")
        await post.locator("button.opblock-summary-control").click()
        await post.locator(".responses-table").first.wait_for()
        words = await post.inner_text()
        errors = await page.locator(".errors-wrapper, .loading-container .failed-config").count()
        await page.close()
    assert "x-capture-time" in words
    assert "A camera that this edge does not know or take" in words
    assert not errors, "the page complains of the description"
    assert [url for url in requests if not url.startswith((f"{client.base_url}", "data:"))] == []
