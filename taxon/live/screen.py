"""The cameras of a subscription, shown while something else runs.

Watching --at a terminal--> a rich table, redrawn twice a second
         --elsewhere------> a line now and then, or nothing
Result --line--> "kitchen 17: 104 bytes, 95 ms, kitchen 83 %, stove 41 %"
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from taxon.client import Result, Subscriber
from taxon.live.watching import OBJECT, SCENE, CameraView, Watching, top_class

REDRAW_SECONDS = 0.5
_RIGHT = ("frames", "bytes/frame", "kbit/s", "delay p50")


@asynccontextmanager
async def shown(
    watching: Watching, results: Subscriber, note: str = "", line_seconds: float | None = None
) -> AsyncIterator[None]:
    """Show the cameras as long as the context lasts.

    note: text below the table. line_seconds: time between two lines where there is no terminal; None for no lines.
    """
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


def table(views: Sequence[CameraView], caption: str) -> Table:
    """Return the table of all cameras. caption: the line below it."""
    made = Table(caption=escape(caption), caption_justify="left", expand=False)
    for name in ("camera", *_RIGHT, "scene", "object", "state"):
        made.add_column(name, justify="right" if name in _RIGHT else "left", no_wrap=name == "camera")
    for view in views:
        colour = "green" if view.state == "live" else "red"
        made.add_row(
            escape(view.camera_id),
            str(view.frames),
            f"{view.bytes_per_frame:.1f}",
            f"{view.kilobits_per_second:.2f}",
            _milliseconds(view.delay_seconds),
            escape(view.scene),
            escape(view.object),
            f"[{colour}]{view.state}[/]",
        )
    return made


def line(result: Result, delay_seconds: float) -> str:
    """Return one result as a line."""
    said = [f"{result.coded_bytes} bytes", _milliseconds(delay_seconds)]
    said += [words for words in (top_class(result, SCENE), top_class(result, OBJECT)) if words]
    if result.error:
        said.append(f"not decoded: {result.error}")
    return f"{result.camera_id} {result.sequence}: {', '.join(said)}"


def summary(views: Sequence[CameraView]) -> str:
    """Return all cameras on one line."""
    return "; ".join(
        f"{view.camera_id} {view.frames} frames, {view.bytes_per_frame:.1f} bytes each, "
        f"{_milliseconds(view.delay_seconds)}, {view.state}"
        for view in views
    )


def _milliseconds(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds * 1000:.0f} ms"
