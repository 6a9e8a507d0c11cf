"""The stack of docker-compose.yml, on an engine of this machine, on free ports of 127.0.0.1, and who uses it.

    stack = ComposeStack(client, compose_command(), services); stack.up(); stack.until_healthy(); ...; stack.down()

`docker compose` or docker-compose runs as an operator runs it; what became of the containers is asked of the engine itself.
Law: `down` leaves no container, network or volume of the stack.
Law: a `Collector` hides nothing: results are kept in the order of their coming, one that comes twice stands there twice.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from docker import DockerClient
from docker.errors import NotFound
from docker.models.containers import Container

from taxon.client import CameraClient, Outcome, Result, Subscriber, Wish
from tests.support.services import free_port

ROOT = Path(__file__).resolve().parents[2]
TAG = "e2e"
"""The tag of the images under test, which stand beside those that a person built."""
PORTS = (
    *("EDGE_HTTP", "EDGE_RPC", "CLOUD_HTTP", "CLOUD_RPC", "CLOUD_2_HTTP", "CLOUD_2_RPC"),
    *("PROMETHEUS", "ALERTMANAGER", "GRAFANA"),
)
COMMAND_SECONDS = 300.0
HEALTHY_SECONDS = 180.0


def compose_command() -> tuple[str, ...] | None:
    """Return this machine's Compose command, the newer one where there are two; None where there is none."""
    if shutil.which("docker"):
        asked = subprocess.run(["docker", "compose", "version"], capture_output=True, timeout=60, check=False)
        if asked.returncode == 0:
            return ("docker", "compose")
    return ("docker-compose",) if shutil.which("docker-compose") else None


@dataclass
class ComposeStack:
    """services: those that are started; all others of the file are left out. profile: none for the file's default.

    files: Compose files, none for docker-compose.yml alone. environment: further variables of the files.
    """

    engine: DockerClient
    compose: Sequence[str]
    services: Sequence[str]
    profile: str | None = None
    project: str = "taxon-e2e"
    ports: dict[str, int] = field(default_factory=lambda: {name: free_port() for name in PORTS})
    files: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)

    def up(self, *services: str, options: Sequence[str] = ()) -> None:
        """Create and start the containers; raises AssertionError with what Compose said."""
        self._run("up", "--detach", "--no-build", *options, *(services or self.services))

    def down(self) -> None:
        """Remove everything, volumes too."""
        self._run("down", "--volumes", "--remove-orphans", "--timeout", "20")

    def address(self, port: str) -> str:
        """Return HOST:PORT of a published port, as it is outside of the containers."""
        return f"127.0.0.1:{self.ports[port]}"

    def container(self, service: str) -> Container:
        """Return the container as it is now; raises NotFound."""
        labels = [f"com.docker.compose.project={self.project}", f"com.docker.compose.service={service}"]
        found = self.engine.containers.list(all=True, filters={"label": labels})
        if not found:
            raise NotFound(f"no container of {service}")
        return found[0]

    def health(self, service: str) -> str:
        """Return "healthy", "unhealthy" or "starting"; without a health check the status, such as "running"."""
        state: dict[str, Any] = self.container(service).attrs["State"]
        return str(state["Health"]["Status"] if "Health" in state else state["Status"])

    def until_healthy(self, *services: str) -> None:
        """Wait until all are healthy; raises AssertionError with the end of the logs."""
        for service in services or self.services:
            try:
                until(lambda name=service: self.health(name) in ("healthy", "running"), HEALTHY_SECONDS)  # type: ignore[misc]
            except TimeoutError:
                logs = self.container(service).logs(tail=20).decode(errors="replace")
                raise AssertionError(f"{service} is {self.health(service)}:\n{logs}") from None

    def kill_process(self, service: str) -> None:
        """SIGKILL to the service's process from outside of its container: a crash, after which the restart policy holds.

        `docker kill` is none: the engine takes it for the operator's wish and does not start the container again.
        """
        container = self.container(service)
        self.engine.containers.run(
            f"taxon-edge:{TAG}",
            ["-c", f"import os; os.kill({container.attrs['State']['Pid']}, 9)"],
            entrypoint="python",
            pid_mode="host",
            user="0",
            remove=True,
            healthcheck={"test": ["NONE"]},
        )

    def _run(self, *arguments: str) -> None:
        environment = {key: value for key, value in os.environ.items() if not key.startswith(("COMPOSE_", "TAXON_"))}
        environment |= {f"TAXON_{name}_PORT": str(port) for name, port in self.ports.items()}
        environment |= {"TAXON_TAG": TAG, **self.environment}
        files = [word for file in self.files for word in ("--file", file)]
        profile = () if self.profile is None else ("--profile", self.profile)
        done = subprocess.run(
            [*self.compose, *files, "--project-name", self.project, *profile, *arguments],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS,
            check=False,
        )
        assert done.returncode == 0, f"{' '.join(self.compose)} {' '.join(arguments)}:\n{done.stderr[-3000:]}"


@contextmanager
def running_stack(stack: ComposeStack) -> Iterator[ComposeStack]:
    """Start the stack from nothing, and leave nothing of it."""
    stack.down()
    try:
        stack.up()
        stack.until_healthy()
        yield stack
    finally:
        stack.down()


def until(holds: Callable[[], bool], seconds: float) -> float:
    """Wait until it holds, and return the seconds; raises TimeoutError. A question that fails yet does not hold yet."""
    began = time.monotonic()
    while time.monotonic() - began < seconds:
        with suppress(OSError, NotFound, KeyError):
            if holds():
                return time.monotonic() - began
        time.sleep(0.2)
    raise TimeoutError(f"not within {seconds:.0f} s")


ARRIVAL_SECONDS = 120.0
HOLD_SECONDS = 300.0


class Collector:
    """The results of a subscriber, in the order in which they came."""

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.results: list[Result] = []

    def sequences(self, camera_id: str) -> list[int]:
        return [result.sequence for result in self.results if result.camera_id == camera_id]

    async def until_arrived(self, camera_id: str, accepted: list[int]) -> None:
        """Wait until as many have come; the test says whether they are the same."""
        try:
            async with asyncio.timeout(ARRIVAL_SECONDS):
                while len(self.sequences(camera_id)) < len(accepted):
                    await asyncio.sleep(0.1)
        except TimeoutError:
            missing = sorted(set(accepted) - set(self.sequences(camera_id)))
            raise AssertionError(f"{len(missing)} of {len(accepted)} results never came: {missing[:10]}") from None

    async def collect(self) -> None:
        async for result in self.subscriber:
            self.results.append(result)


@asynccontextmanager
async def collecting(cloud: str, *tasks: str) -> AsyncIterator[Collector]:
    """Subscribe at this address, with a wish that outlives broken connections."""
    wish = Wish(tasks=tasks, hold_seconds=HOLD_SECONDS)
    async with Subscriber(cloud, wish) as subscriber:
        async with asyncio.timeout(ARRIVAL_SECONDS):
            await subscriber.subscribed()
        collector = Collector(subscriber)
        collecting_task = asyncio.create_task(collector.collect())
        try:
            yield collector
        finally:
            collecting_task.cancel()
            await asyncio.gather(collecting_task, return_exceptions=True)


async def post(camera: CameraClient, picture: Path) -> int:
    """Post a frame that somebody wants, and return its sequence number."""
    receipt = await camera.post(picture.read_bytes())
    assert receipt.outcome is Outcome.CODED, f"somebody subscribes to every camera, yet it was {receipt}"
    return receipt.sequence


async def post_until_wanted(camera: CameraClient, picture: Path) -> int:
    """Post until a frame is coded, and return its sequence number: a wish takes a moment from the subscriber to the edge."""
    async with asyncio.timeout(ARRIVAL_SECONDS):
        while (receipt := await camera.post(picture.read_bytes())).outcome is Outcome.NOT_WANTED:
            await asyncio.sleep(0.2)
    assert receipt.outcome is Outcome.CODED, receipt
    return receipt.sequence
