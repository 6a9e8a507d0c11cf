"""The cameras of a subscription on the screen while something else runs.

Watching, Subscriber --shown--> a rich table at a terminal, redrawn twice a second; elsewhere a line now and then, or nothing
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager

from rich.console import Console
from rich.live import Live

from taxon.client import Subscriber
from taxon.live.table import summary, table
from taxon.live.watching import Watching

REDRAW_SECONDS = 0.5


@asynccontextmanager
async def shown(
    watching: Watching, results: Subscriber, note: str = "", line_seconds: float | None = None
) -> AsyncIterator[None]:
    """While it lasts. note: added below the table. line_seconds: between two lines where there is no terminal; None for none."""
    console = Console()
    if console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            async with _beside(_draw(live, watching, results, note)):
                yield
            live.update(table(watching.views(), note), refresh=True)
    elif line_seconds is not None:
        async with _beside(_print(watching, line_seconds)):
            yield
    else:
        yield


@asynccontextmanager
async def _beside(work: Coroutine[None, None, None]) -> AsyncIterator[None]:
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _draw(live: Live, watching: Watching, results: Subscriber, note: str) -> None:
    while True:
        link = "" if results.is_subscribed else "the link to the cloud is down, trying again"
        lost = f"{results.lost} results lost" if results.lost else ""
        live.update(table(watching.views(), ", ".join(part for part in (note, link, lost) if part)), refresh=True)
        await asyncio.sleep(REDRAW_SECONDS)


async def _print(watching: Watching, seconds: float) -> None:
    while True:
        await asyncio.sleep(seconds)
        print(summary(watching.views()) or "no results yet", flush=True)
