"""The whole thing as real processes for tests and figures of the wall: a cloud, an edge and a camera for each sample room."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.services import ServiceProcess, running

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("bedroom", "kitchen", "living_room")


@dataclass
class CameraProcess:
    """`taxon camera`, which plays a sample room round and round. name: the room's by default."""

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
        """At once: a camera has nothing to finish."""
        if self.process is not None and self.process.returncode is None:
            self.process.kill()
            await self.process.wait()


@dataclass
class LiveWall:
    """What is running."""

    cloud: ServiceProcess
    edge: ServiceProcess
    cameras: dict[str, CameraProcess] = field(default_factory=dict)


@asynccontextmanager
async def live_wall(folder: Path, fps: float) -> AsyncIterator[LiveWall]:
    """All of it, on free ports; afterwards nothing is left running. fps: of each camera."""
    cloud = ServiceProcess("cloud", folder / "cloud")
    edge = ServiceProcess("edge", folder / "edge", ("--cloud", cloud.rpc, "--edge-id", "flat"))
    async with running(cloud, edge), AsyncExitStack() as stack:
        live = LiveWall(cloud, edge, {room: CameraProcess(room, edge, fps) for room in ROOMS})
        for camera in live.cameras.values():
            stack.push_async_callback(camera.stop)
            await camera.start()
        yield live
