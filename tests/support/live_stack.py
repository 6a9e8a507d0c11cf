"""Both services with cameras, for tests and figures of what people look at: the wall, and what Prometheus scrapes.

    async with live_wall(folder, fps) as live: ...                   a camera for each sample room
    async with measured_stack(folder, models) as stack:              a subscriber, a wall page and the real Prometheus beside them
        await stack.play({"hall": [...]})       frames, until their results are here

Law: every camera's series were scraped at 0 before its first frame was coded, so that a rate over the whole run counts every frame.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncGenerator, AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from shared.errors import Refused
from shared.model.tasks import TASKS
from taxon.client import CameraClient, CameraFrame, Outcome, Receipt, Result, Subscriber, Wish
from tests.support.prometheus import PrometheusServer, eventually
from tests.support.services import ServiceProcess, running

CAMERAS = ("hall", "kitchen")
THRIFTY = "porch"
"""A camera with a bit budget that is too small for it."""
PULLED = "yard"
"""A camera that the edge pulls: it gives one frame at the start, and the next one long after all is over."""
PULLED_FPS = 0.001


@dataclass
class MeasuredStack:
    """The running system. posted: the pictures that were coded, by camera. results: those that the subscriber got, by camera."""

    cloud: ServiceProcess
    edge: ServiceProcess
    prometheus: PrometheusServer
    posted: dict[str, list[bytes]] = field(default_factory=dict)
    results: dict[str, list[Result]] = field(default_factory=dict)

    async def play(self, frames: Mapping[str, Sequence[bytes]], pause_seconds: float = 0.0) -> dict[str, list[Receipt]]:
        """Post each camera's frames, and return when the results of all that were coded are here."""
        played = [self._play_one(camera, pictures, pause_seconds) for camera, pictures in frames.items()]
        receipts = dict(zip(frames, await asyncio.gather(*played), strict=True))

        async def all_here() -> bool:
            return all(len(self.results.get(camera, ())) >= len(self.posted[camera]) for camera in frames)

        await eventually(all_here, "results of the coded frames", 120)
        return receipts

    async def _play_one(self, camera_id: str, pictures: Sequence[bytes], pause_seconds: float) -> list[Receipt]:
        async def paced() -> AsyncIterator[CameraFrame]:
            for picture in pictures:
                yield CameraFrame(picture)
                await asyncio.sleep(pause_seconds)

        async with CameraClient(self.edge.rpc, camera_id) as camera:
            receipts = [receipt async for receipt in camera.stream(paced(), in_flight=4)]
        kept = self.posted.setdefault(camera_id, [])
        kept += [
            picture for picture, receipt in zip(pictures, receipts, strict=True) if receipt.outcome is Outcome.CODED
        ]
        return receipts

    async def watch(self, subscriber: Subscriber) -> None:
        """Keep what the subscriber gets."""
        async for result in subscriber:
            self.results.setdefault(result.camera_id, []).append(result)


@asynccontextmanager
async def measured_stack(
    folder: Path,
    bundle: Path,
    picture: bytes,
    cameras: Collection[str] = (*CAMERAS, THRIFTY),
    probe: str = "probe",
    budget_kbps: float = 1.0,
    interval_seconds: int = 2,
) -> AsyncIterator[MeasuredStack]:
    """bundle: <name>/<version> in a folder of bundles. picture: one that every camera posts before anybody subscribes. probe: the
    camera by whose frames it is seen that the subscriber's wish has come. budget_kbps: of the camera THRIFTY.
    """
    cloud = ServiceProcess("cloud", folder / "cloud", ("--bundles", str(bundle.parents[1])))
    options = ["--cloud", cloud.rpc, "--bundle", str(bundle), "--queue-policy", "all", "--queue-depth", "16"]
    options += ["--budgets-kbps", f"{THRIFTY}={budget_kbps}", "--edge-id", "flat"]
    pulled = _made(folder / PULLED) / "0.jpg"
    pulled.write_bytes(picture)
    options += ["--source", f"{PULLED}@{PULLED_FPS}={pulled}"]
    edge = ServiceProcess("edge", folder / "edge", options)
    async with running(cloud, edge), AsyncExitStack() as stack:
        prometheus = await stack.enter_async_context(
            PrometheusServer(_made(folder / "prometheus"), [_host(edge)], [_host(cloud)], interval_seconds)
        )
        live = MeasuredStack(cloud, edge, prometheus)
        for camera_id in sorted({*cameras, probe}):
            async with CameraClient(edge.rpc, camera_id) as camera:
                assert (await camera.post(picture)).outcome is Outcome.NOT_WANTED
        await prometheus.scraped()
        subscriber = await stack.enter_async_context(Subscriber(cloud.rpc, Wish(tasks=tuple(t.name for t in TASKS))))
        watching = asyncio.create_task(live.watch(subscriber))
        stack.push_async_callback(_cancelled, watching)
        await stack.enter_async_context(_wall_page(cloud))
        await _asked_for_too_much(cloud)
        await _until_wanted(edge, probe, picture)
        yield live


async def _until_wanted(edge: ServiceProcess, probe: str, picture: bytes) -> None:
    async with CameraClient(edge.rpc, probe) as camera:

        async def is_coded() -> bool:
            return (await camera.post(picture)).outcome is Outcome.CODED

        await eventually(is_coded, "the subscriber's wish at the edge")


async def _asked_for_too_much(cloud: ServiceProcess) -> None:
    """Subscribe in a way that the cloud refuses."""
    async with Subscriber(cloud.rpc, Wish(tasks=("telepathy",))) as subscriber:
        try:
            await subscriber.subscribed()
        except Refused:
            return
    raise AssertionError("a task that there is not was granted")


@asynccontextmanager
async def _wall_page(cloud: ServiceProcess) -> AsyncIterator[None]:
    """Open a page of the wall that shows two tasks, and that comes back when the cloud was away."""
    showing = asyncio.create_task(_show(f"ws://127.0.0.1:{cloud.http_port}/wall/socket"))
    try:
        yield
    finally:
        await _cancelled(showing)


async def _show(address: str) -> None:
    # It is a generator, though its annotation promises less; only one can be closed.
    connections = cast(AsyncGenerator[ClientConnection, None], aiter(connect(address, max_size=None)))
    async with contextlib.aclosing(connections) as sockets:
        async for socket in sockets:
            with contextlib.suppress(ConnectionClosed):
                await _keep_up(socket)


async def _keep_up(socket: ClientConnection) -> None:
    await socket.send(json.dumps({"type": "want", "new_cameras": ["normal", "class_scene"], "cameras": {}}))
    seen = 0
    async for message in socket:
        if isinstance(message, bytes):
            seen += len(message)
            await socket.send(json.dumps({"type": "seen", "bytes": seen}))


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _host(service: ServiceProcess) -> str:
    return f"127.0.0.1:{service.http_port}"


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("bedroom", "kitchen", "living_room")


@dataclass
class CameraProcess:
    """`taxon camera`, which plays a sample room in a loop. name: the camera's; the room's by default."""

    room: str
    edge: ServiceProcess
    fps: float
    process: asyncio.subprocess.Process | None = None
    name: str = ""

    async def start(self) -> None:
        argv = [sys.executable, "-m", "taxon", "camera", str(ROOT / "samples" / self.room), "--to", self.edge.rpc]
        argv += ["--camera", self.name or self.room, "--fps", str(self.fps), "--loop"]
        with (self.edge.folder / f"{self.name or self.room}.log").open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *argv, stdout=log, stderr=log, stdin=asyncio.subprocess.DEVNULL
            )

    async def stop(self) -> None:
        """End it at once: a camera has nothing to finish."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@dataclass
class LiveWall:
    """The running system."""

    cloud: ServiceProcess
    edge: ServiceProcess
    cameras: dict[str, CameraProcess] = field(default_factory=dict)


@asynccontextmanager
async def live_wall(folder: Path, fps: float) -> AsyncIterator[LiveWall]:
    """Start all of it on free ports, and end all of it. fps: the frames a second of each camera."""
    cloud = ServiceProcess("cloud", folder / "cloud")
    edge = ServiceProcess("edge", folder / "edge", ("--cloud", cloud.rpc, "--edge-id", "flat"))
    async with running(cloud, edge), AsyncExitStack() as stack:
        live = LiveWall(cloud, edge, {room: CameraProcess(room, edge, fps) for room in ROOMS})
        for camera in live.cameras.values():
            stack.push_async_callback(camera.stop)
            await camera.start()
        yield live
