"""Draws docs/figures/wall.png: the wall as it is, with real services and three cameras.

python -m tests.trials.figures.wall docs/figures/wall.png [--dark]
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from io import BytesIO
from pathlib import Path
from typing import Literal

from PIL import Image

from shared.model.tasks import TASKS
from tests.support.browser import chromium, wall_in
from tests.support.live_stack import ROOMS, live_wall

FPS = 1.0
FILL_SECONDS = 62
SIZE = (1440, 900)
SCALE = 1.25


async def draw(target: Path, dark: bool) -> None:
    """Let the curves fill, then take the picture."""
    with tempfile.TemporaryDirectory() as folder:
        async with live_wall(Path(folder), FPS) as live, chromium() as browser:
            scheme: Literal["dark", "light"] = "dark" if dark else "light"
            async with wall_in(browser, f"{live.cloud.url}/", SIZE, scheme, device_scale_factor=SCALE) as wall:
                for room in ROOMS:
                    for task in TASKS:
                        if task.is_dense:
                            await wall.drawn(room, task.name)
                await asyncio.sleep(FILL_SECONDS)
                shot = await wall.page.screenshot(full_page=True)
    Image.open(BytesIO(shot)).convert("RGB").save(target, "PNG", optimize=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", type=Path)
    parser.add_argument("--dark", action="store_true", help="as on a device that prefers dark colours")
    arguments = parser.parse_args()
    asyncio.run(draw(arguments.target, arguments.dark))


if __name__ == "__main__":
    main()
