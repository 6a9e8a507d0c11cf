"""The cameras of a subscription, shown while something else runs.

Watching --at a terminal--> a rich table, redrawn twice a second
         --elsewhere------> a line now and then, or nothing
Result --line--> "kitchen 17: 104 bytes, 95 ms, kitchen 83 %, stove 41 %"
Law: rates and delays are of the last WINDOW_SECONDS alone, and a camera that falls silent is shown to be silent.
"""

from __future__ import annotations

import asyncio
import statistics
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from shared.model.tasks import CLASS_TASKS
from taxon.client import ClassesResult, Result, Subscriber

REDRAW_SECONDS = 0.5
_RIGHT = ("frames", "bytes/frame", "kbit/s", "delay p50")
WINDOW_SECONDS = 10.0
SILENT_SECONDS = 5.0
SCENE, OBJECT = CLASS_TASKS


@dataclass(frozen=True)
class CameraView:
    """One camera, now.

    delay_seconds: the median time from capture to the result at this client; None if nothing came lately.
    scene, object: the likeliest class and its probability. silent_seconds: the time since the last result.
    """

    camera_id: str
    frames: int
    bytes_per_frame: float
    kilobits_per_second: float
    delay_seconds: float | None
    scene: str
    object: str
    silent_seconds: float
    error: str

    @property
    def state(self) -> str:
        """The camera's state in a word or two, for people."""
        if self.error:
            return "not decoded"
        return "live" if self.silent_seconds < SILENT_SECONDS else f"silent for {self.silent_seconds:.0f} s"


@dataclass
class _Camera:
    begin: float
    frames: int = 0
    total_bytes: int = 0
    last: float = 0.0
    scene: str = ""
    object: str = ""
    error: str = ""
    recent: deque[tuple[float, int, float]] = field(default_factory=deque)


class Watching:
    """All cameras of a subscription. clock: monotonic seconds. wall: microseconds since 1970."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._clock = clock
        self._wall = wall
        self._cameras: dict[str, _Camera] = {}

    @property
    def frames(self) -> int:
        """Results of all cameras."""
        return sum(camera.frames for camera in self._cameras.values())

    def add(self, result: Result) -> float:
        """Add one more result, and return its delay in seconds."""
        now = self._clock()
        camera = self._cameras.setdefault(result.camera_id, _Camera(now))
        delay = max(0.0, (self._wall() - result.capture_time_us) / 1e6)
        camera.frames += 1
        camera.total_bytes += result.coded_bytes
        camera.last = now
        camera.recent.append((now, result.coded_bytes, delay))
        camera.scene = top_class(result, SCENE) or camera.scene
        camera.object = top_class(result, OBJECT) or camera.object
        camera.error = result.error
        return delay

    def views(self) -> tuple[CameraView, ...]:
        """Return the cameras, sorted by name."""
        return tuple(self._view(name, camera) for name, camera in sorted(self._cameras.items()))

    def _view(self, name: str, camera: _Camera) -> CameraView:
        now = self._clock()
        while camera.recent and camera.recent[0][0] < now - WINDOW_SECONDS:
            camera.recent.popleft()
        # In its first seconds a camera has not filled the window.
        seconds = max(1.0, min(WINDOW_SECONDS, now - camera.begin))
        return CameraView(
            camera_id=name,
            frames=camera.frames,
            bytes_per_frame=camera.total_bytes / camera.frames,
            kilobits_per_second=sum(size for _, size, _ in camera.recent) * 8 / 1000 / seconds,
            delay_seconds=statistics.median(delay for *_, delay in camera.recent) if camera.recent else None,
            scene=camera.scene,
            object=camera.object,
            silent_seconds=now - camera.last,
            error=camera.error,
        )


def top_class(result: Result, task: str) -> str:
    """Return the likeliest class in words, such as "kitchen 83%", or nothing if there is none."""
    found = result.task(task)
    if not isinstance(found, ClassesResult) or not found.classes:
        return ""
    best = found.classes[0]
    return f"{best.label.replace('_', ' ')} {best.probability:.0%}"


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
