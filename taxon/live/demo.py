"""The demo: a cloud, an edge and some cameras as processes of this machine, and a subscriber that counts what arrives.

    taxon camera x N --frames--> taxon edge --bitstreams--> taxon cloud --results--> this process
         |                                                                                ^
         +----------- receipts (JSON lines) --> Ledger: accepted == delivered? -----------+

Law: whatever happens, its processes are stopped; every frame that the edge accepted is waited for until a deadline.
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
from taxon.live.screen import shown
from taxon.live.stopping import Stop, finish
from taxon.live.tally import Ledger
from taxon.live.watching import Watching

READY_SECONDS = 300.0
"""Networks that are built for a GPU at their first start take minutes."""
LINK_SECONDS = 30.0
LAST_RESULTS_SECONDS = 20.0
LINE_SECONDS = 5.0
IN_FLIGHT = 2
THUMBNAIL_PIXELS = 64
"""Of the dense results that are fetched here; the wall asks for its own."""


@dataclass(frozen=True)
class DemoPlan:
    """What is played, and where.

    sources: a folder for each camera, which is named after it. seconds: how long each plays; None until a signal. folder: for logs and the
    services' data.
    """

    sources: tuple[Path, ...]
    fps: float
    seconds: float | None
    bundle: Path
    folder: Path
    places: Ports

    @property
    def wall(self) -> str:
        """The wall's address."""
        return f"http://{HOST}:{self.places.wall}/"


class Demo:
    """One run."""

    def __init__(self, plan: DemoPlan, stop: Stop) -> None:
        self.ledger = Ledger()
        self._plan = plan
        self._stop = stop
        self._watching = Watching()

    async def run(self) -> None:
        """Starts, plays, waits for the last results, stops; raises ChildDied or CommandError."""
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
        """Both services, until they are ready."""
        places, bundle = self._plan.places, self._plan.bundle
        cloud = ["--rpc", places.cloud, "--http", f"{HOST}:{places.wall}", "--bundles", str(bundle.parents[1])]
        await children.start("cloud", ["cloud", *cloud, "--data", str(data / "cloud")])
        edge = ["--cloud", places.cloud, "--rpc", places.edge, "--http", f"{HOST}:{places.edge_http}"]
        await children.start("edge", ["edge", *edge, "--bundle", str(bundle), "--data", str(data / "edge")])
        await asyncio.gather(until_ready(places.wall), until_ready(places.edge_http))

    async def _play(self, children: Children) -> None:
        """Subscribes, plays the cameras, and waits for what is still on its way."""
        wish = Wish(tasks=await self._tasks(), encoding=Encoding.PNG, longest_side_pixels=THUMBNAIL_PIXELS)
        async with Subscriber(self._plan.places.cloud, wish) as results:
            async with asyncio.timeout(LINK_SECONDS):
                await results.subscribed()
                await until_linked(self._plan.places.edge_http)
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
        """What is subscribed to here: everything for a run that ends with figures, else what the table shows.

        Everything would leave the wall's switches without effect: what one subscriber wants is coded for all.
        """
        if self._plan.seconds is None:
            return CLASS_TASKS
        async with CloudClient(self._plan.places.cloud, Timeouts(answer=LINK_SECONDS)) as cloud:
            return await cloud.task_names()

    async def _take(self, results: Subscriber) -> None:
        async for result in results:
            self.ledger.result(result.camera_id, result.sequence, self._watching.add(result))

    async def _cameras(self, children: Children) -> None:
        """Plays all cameras until they end, or are stopped."""
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
        flags = ["--to", self._plan.places.edge, "--camera", source.name, "--fps", str(self._plan.fps)]
        ending = [] if self._plan.seconds is None else ["--seconds", str(self._plan.seconds)]
        # Few frames in flight, so that a machine that is too slow shows fewer frames rather than older ones.
        flags += ["--in-flight", str(IN_FLIGHT), "--loop", "--json"]
        return await children.start(source.name, ["camera", str(source), *flags, *ending], True)

    async def _receipts(self, children: Children, name: str, process: Process) -> None:
        """A camera's receipts until it ends; raises ChildDied where that is no good end."""
        assert process.stdout is not None
        async for line in process.stdout:
            document = json.loads(line)
            if "outcome" in document:
                self.ledger.receipt(name, document["outcome"], document["sequence"], document["coded_bytes"])
        status = await process.wait()
        if status and not self._stop.wanted:
            raise ChildDied(children.obituary(name, status))

    async def _last_results(self, taking: asyncio.Task[None]) -> None:
        """Waits until every accepted frame is delivered, or the deadline has passed."""
        deadline = asyncio.get_running_loop().time() + LAST_RESULTS_SECONDS
        while self.ledger.lost and not taking.done() and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)


async def _while_alive(children: Children, work: Coroutine[None, None, None], seconds: float | None) -> None:
    """The work; raises ChildDied when a service ends meanwhile, CommandError when it takes longer than `seconds`."""
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
    """A new folder for the services' data, gone afterwards; what demos that were killed left behind goes too."""
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
