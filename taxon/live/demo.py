"""The demo: a cloud, an edge and some cameras as processes of this machine, and a subscriber that counts the results.

    taxon camera x N --frames--> taxon edge --bitstreams--> taxon cloud --results--> this process
         |                                                                                ^
         +----------- receipts (JSON lines) --> Ledger: accepted == delivered? -----------+

Law: whatever happens, the demo stops its processes. It waits for every frame that the edge accepted, until a deadline.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import shutil
import socket
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
HOST = "127.0.0.1"
WALL_PORT = 8090
ASK_SECONDS = 2.0
BETWEEN_SECONDS = 0.2
LINKED = "taxon_edge_uplink_connected 1.0"


@dataclass(frozen=True)
class Ports:
    """Ports of the demo on this machine: gRPC of both services, the cloud's wall, and the edge's HTTP."""

    cloud_rpc: int
    wall: int
    edge_rpc: int
    edge_http: int

    @property
    def cloud(self) -> str:
        """The address of the cloud's gRPC."""
        return f"{HOST}:{self.cloud_rpc}"

    @property
    def edge(self) -> str:
        """The address of the edge's gRPC."""
        return f"{HOST}:{self.edge_rpc}"


def free_ports() -> Ports:
    """Return ports that are free now, for the wall its usual one if possible."""
    with socket.socket() as first, socket.socket() as second, socket.socket() as third, socket.socket() as fourth:
        wall = _bound(fourth, WALL_PORT) or _bound(fourth, 0)
        return Ports(_bound(first, 0), wall, _bound(second, 0), _bound(third, 0))


def _bound(taken: socket.socket, port: int) -> int:
    """Bind this port, or any for 0, and return it; return 0 if it is taken."""
    taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        taken.bind((HOST, port))
    except OSError:
        return 0
    return int(taken.getsockname()[1])


async def until_ready(http_port: int) -> None:
    """Wait until the service there says that it is ready."""
    while (await asyncio.to_thread(_get, http_port, "/readyz"))[0] != 200:
        await asyncio.sleep(BETWEEN_SECONDS)


async def until_linked(edge_http_port: int) -> None:
    """Wait until the edge there is connected to its cloud."""
    while LINKED not in (await asyncio.to_thread(_get, edge_http_port, "/metrics"))[1]:
        await asyncio.sleep(BETWEEN_SECONDS)


def _get(port: int, path: str) -> tuple[int, str]:
    """Return the status and the body; the status is 0 if nobody answers."""
    connection = http.client.HTTPConnection(HOST, port, timeout=ASK_SECONDS)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace")
    except (OSError, http.client.HTTPException):
        return 0, ""
    finally:
        connection.close()


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
