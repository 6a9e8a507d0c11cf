"""The demo: a cloud, an edge and some cameras as processes of this machine, and a subscriber that counts the results.

    taxon camera x N --frames--> taxon edge --bitstreams--> taxon cloud --results--> this process
         |                                                                                ^
         +----------- receipts (JSON lines) --> Ledger: accepted == delivered? -----------+

Law: whatever happens, the demo stops its processes. It waits for every frame that the edge accepted, until a deadline.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import tempfile
from asyncio.subprocess import Process
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shared.model.tasks import CLASS_TASKS
from taxon.client import CloudClient, Encoding, Subscriber, Timeouts, Wish
from taxon.errors import CommandError
from taxon.live.children import ChildDied, Children
from taxon.live.ports import HOST, Ports, until_linked, until_ready
from taxon.live.screen import Watching, shown
from taxon.live.stopping import Stop, finish
from taxon.live.tally import Ledger

READY_SECONDS = 300.0
"""The first start on a GPU builds the networks for it, which takes minutes."""
LINK_SECONDS = 30.0
LAST_RESULTS_SECONDS = 20.0
LINE_SECONDS = 5.0
IN_FLIGHT = 2
THUMBNAIL_PIXELS = 64
"""The longest side of the dense results that are fetched here; the wall asks for its own."""


@dataclass(frozen=True)
class DemoPlan:
    """The cameras that play, and the places that they use.

    sources: a folder for each camera, which is named after it. fps: frames a second of each.
    seconds: the time that each camera plays; None plays until a signal.
    folder: the folder for logs and the services' data.
    """

    sources: tuple[Path, ...]
    fps: float
    seconds: float | None
    bundle: Path
    folder: Path
    ports: Ports

    @property
    def wall(self) -> str:
        """The address of the wall."""
        return f"http://{HOST}:{self.ports.wall}/"


class Demo:
    """One run of the demo."""

    def __init__(self, plan: DemoPlan, stop: Stop) -> None:
        self.ledger = Ledger()
        self._plan = plan
        self._ports = plan.ports
        self._stop = stop
        self._watching = Watching()

    async def run(self) -> None:
        """Start, play, wait for the last results, and stop; raises ChildDied or CommandError."""
        with _fresh_folder(self._plan.folder) as data:
            async with Children(self._plan.folder) as children:
                starting = finish(self._start(children, data), self._stop, 0)
                await _while_alive(children, starting, READY_SECONDS)
                if not self._stop.wanted:
                    print(f"The wall: {self._plan.wall}", flush=True)
                    if self._plan.seconds is None:
                        print(
                            "Its switches subscribe: without a wall, or with normals, reshading and curvature off, no geometry is coded."
                        )
                    await _while_alive(children, self._play(children), None)

    async def _start(self, children: Children, data: Path) -> None:
        """Start both services, and wait until they are ready."""
        ports, bundle = self._ports, self._plan.bundle
        cloud = ["--rpc", ports.cloud, "--http", f"{HOST}:{ports.wall}", "--bundles", str(bundle.parents[1])]
        await children.start("cloud", ["cloud", *cloud, "--data", str(data / "cloud")])
        edge = ["--cloud", ports.cloud, "--rpc", ports.edge, "--http", f"{HOST}:{ports.edge_http}"]
        await children.start("edge", ["edge", *edge, "--bundle", str(bundle), "--data", str(data / "edge")])
        await asyncio.gather(until_ready(ports.wall), until_ready(ports.edge_http))

    async def _play(self, children: Children) -> None:
        """Subscribe, play the cameras, and wait for the results that are still on their way."""
        wish = Wish(tasks=await self._tasks(), encoding=Encoding.PNG, longest_side_pixels=THUMBNAIL_PIXELS)
        async with Subscriber(self._ports.cloud, wish) as results:
            async with asyncio.timeout(LINK_SECONDS):
                await results.subscribed()
                await until_linked(self._ports.edge_http)
            taking = asyncio.create_task(self._take(results))
            try:
                async with shown(self._watching, results, f"The wall: {self._plan.wall}", LINE_SECONDS):
                    await self._cameras(children)
                    await self._last_results(taking)
            finally:
                taking.cancel()
                await asyncio.gather(taking, return_exceptions=True)
            if not taking.cancelled():
                taking.result()

    async def _tasks(self) -> tuple[str, ...]:
        """Return the tasks to subscribe to: all for a run that ends with figures, else those that the table shows.

        With all tasks the wall's switches would have no effect, since the edge codes what any subscriber wants.
        """
        if self._plan.seconds is None:
            return CLASS_TASKS
        async with CloudClient(self._ports.cloud, Timeouts(answer=LINK_SECONDS)) as cloud:
            return await cloud.task_names()

    async def _take(self, results: Subscriber) -> None:
        async for result in results:
            self.ledger.result(result.camera_id, result.sequence, self._watching.add(result))

    async def _cameras(self, children: Children) -> None:
        """Play all cameras until they end, or are stopped."""
        processes = {source.name: await self._camera(children, source) for source in self._plan.sources}
        playing = asyncio.gather(*(self._receipts(children, name, process) for name, process in processes.items()))
        stopping = asyncio.create_task(self._stop.wait())
        try:
            waited: set[asyncio.Future[Any]] = {playing, stopping}
            await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
            if not playing.done():
                await asyncio.gather(*(children.stop(name) for name in processes))
            await playing
        finally:
            stopping.cancel()
            playing.cancel()
            await asyncio.gather(playing, return_exceptions=True)

    async def _camera(self, children: Children, source: Path) -> Process:
        flags = ["--to", self._ports.edge, "--camera", source.name, "--fps", str(self._plan.fps)]
        ending = [] if self._plan.seconds is None else ["--seconds", str(self._plan.seconds)]
        # Few frames are in flight, so that a machine that is too slow shows fewer frames rather than older ones.
        flags += ["--in-flight", str(IN_FLIGHT), "--loop", "--json"]
        return await children.start(source.name, ["camera", str(source), *flags, *ending], True)

    async def _receipts(self, children: Children, name: str, process: Process) -> None:
        """Record a camera's receipts until it ends; raises ChildDied if it failed."""
        assert process.stdout is not None
        async for line in process.stdout:
            document = json.loads(line)
            if "outcome" in document:
                self.ledger.receipt(name, document["outcome"], document["sequence"], document["coded_bytes"])
        status = await process.wait()
        if status and not self._stop.wanted:
            raise ChildDied(children.obituary(name, status))

    async def _last_results(self, taking: asyncio.Task[None]) -> None:
        """Wait until every accepted frame is delivered, or the deadline has passed."""
        deadline = asyncio.get_running_loop().time() + LAST_RESULTS_SECONDS
        while self.ledger.lost and not taking.done() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)


async def _while_alive(children: Children, work: Coroutine[None, None, None], seconds: float | None) -> None:
    """Do the work; raises ChildDied if a service ends meanwhile, or CommandError if it takes longer than `seconds`."""
    working, dying = asyncio.create_task(work), asyncio.create_task(children.died())
    try:
        await asyncio.wait({working, dying}, return_when=asyncio.FIRST_COMPLETED, timeout=seconds)
        if dying.done():
            dying.result()
        if not working.done():
            raise CommandError(f"the services were not ready in {seconds} s; see {children.log('edge').parent}")
    finally:
        for task in (working, dying):
            task.cancel()
        await asyncio.gather(working, dying, return_exceptions=True)
    working.result()


@contextmanager
def _fresh_folder(folder: Path) -> Iterator[Path]:
    """Make a folder for the services' data, and remove it afterwards, with the folders of demos that were killed."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for left in folder.glob("data-*-*"):
            if not Path("/proc", left.name.split("-")[1]).exists():
                shutil.rmtree(left, ignore_errors=True)
        made = Path(tempfile.mkdtemp(prefix=f"data-{os.getpid()}-", dir=folder))
    except OSError as error:
        raise CommandError(f"cannot write to {folder} ({error.strerror})") from error
    try:
        yield made
    finally:
        shutil.rmtree(made, ignore_errors=True)
