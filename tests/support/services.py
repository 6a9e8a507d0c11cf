"""The product's programs as processes: services that are started, killed and started again, and the command `taxon`.

    async with running(edge, cloud): ...       edge.kill() (SIGKILL), await edge.start(), await edge.stop() (SIGTERM)

A service keeps its ports and its data folder when it is started again.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import grpc
import httpx
import numpy as np
from grpc_health.v1 import health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2_grpc

from shared.server.settings import ServiceSettings
from tests.support.secrets import WATCH

SERVICE_PORTS = (12_000, 32_000)
START_SECONDS = 90.0
STOP_SECONDS = 30.0


def free_port() -> int:
    """Return a port that nobody listens on now.

    It lies below those that systems give to connections: one of these would take it before its service listens.
    """
    draw = random.SystemRandom()
    while True:
        port = draw.randrange(*SERVICE_PORTS)
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@dataclass
class ServiceProcess:
    """`taxon edge` or `taxon cloud`. folder: for its data and log. options: further flags. host: where it listens.

    command: another installation's `taxon`. before: what stands before it, such as the network namespace that it runs in.
    environment: beside this process's own.
    ca: whom to trust where it speaks TLS; None for plain text. token: for its metrics.
    """

    kind: str
    folder: Path
    options: Sequence[str] = ()
    http_port: int = field(default_factory=free_port)
    rpc_port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None
    host: str = "127.0.0.1"
    command: Sequence[str] = (sys.executable, "-m", "taxon")
    before: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    ca: Path | None = None
    token: str = ""

    @property
    def rpc(self) -> str:
        return f"{self.host}:{self.rpc_port}"

    @property
    def url(self) -> str:
        return f"{'http' if self.ca is None else 'https'}://{self.host}:{self.http_port}"

    @property
    def log(self) -> Path:
        return self.folder / f"{self.kind}.log"

    async def start(self) -> None:
        """Start it, and return when it is ready; raises AssertionError with the log's end where it does not become so."""
        self.folder.mkdir(parents=True, exist_ok=True)
        argv = [*self.before, *self.command, self.kind, "--log-format", "json"]
        WATCH.declare_passwords((*self.options, *self.environment.values()))
        WATCH.follow(self.log)
        argv += ["--rpc", self.rpc, "--http", f"{self.host}:{self.http_port}", "--data", str(self.folder / "data")]
        with self.log.open("ab") as log:
            self.process = await asyncio.create_subprocess_exec(
                *argv,
                *self.options,
                stdout=log,
                stderr=log,
                stdin=asyncio.subprocess.DEVNULL,
                env={**os.environ, **self.environment},
            )
        deadline = time.monotonic() + START_SECONDS
        async with self.browser(2) as client:
            while time.monotonic() < deadline and self.process.returncode is None:
                try:
                    if (await client.get(f"{self.url}/readyz")).status_code == 200:
                        return
                except httpx.TransportError:
                    pass
                await asyncio.sleep(0.1)
        raise AssertionError(f"{self.kind} did not become ready: {self.log.read_text()[-3000:]}")

    def browser(self, seconds: float) -> httpx.AsyncClient:
        """Return an HTTP client that trusts its authority and shows its token."""
        trusted = True if self.ca is None else ssl.create_default_context(cafile=str(self.ca))
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return httpx.AsyncClient(timeout=seconds, verify=trusted, headers=headers)

    async def kill(self) -> None:
        """Send SIGKILL: nothing is finished, nothing is flushed."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """Send SIGTERM and return the exit status; raises TimeoutError where the drain does not end."""
        assert self.process is not None
        if self.process.returncode is None:
            await self.show_answers()
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), STOP_SECONDS)

    async def show_answers(self) -> None:
        """Show the watch of secrets what this service answers; nothing where it does not answer."""
        with contextlib.suppress(httpx.HTTPError):
            async with self.browser(2) as client:
                for path in ("/metrics", "/v1/cameras", "/openapi.json"):
                    WATCH.saw((await client.get(f"{self.url}{path}")).text, f"{self.kind} {path}")

    async def metric(self, name: str, **labels: str) -> float:
        """Return the sum of a metric's samples that have these labels; 0 where there is none."""
        async with self.browser(5) as client:
            text = (await client.get(f"{self.url}/metrics")).text
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        rows = [line for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name]
        return sum(float(line.rsplit(" ", 1)[1]) for line in rows if all(one in line for one in wanted))


@asynccontextmanager
async def running(*services: ServiceProcess) -> AsyncIterator[None]:
    """Start the services one after the other, and end all of them whatever happens."""
    async with AsyncExitStack() as stack:
        for service in services:
            stack.push_async_callback(_ended, service)
            await service.start()
        yield


async def _ended(service: ServiceProcess) -> None:
    if service.process is not None and service.process.returncode is None:
        await service.show_answers()
        service.process.kill()
        await service.process.wait()


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    status: int
    out: str
    errors: tuple[str, ...]

    def error_about(self, name: str) -> str:
        """Return the one error line that names a file."""
        found = [line for line in self.errors if f"/{name}:" in line]
        assert len(found) == 1, f"expected one error line about {name}, got {self.errors}"
        return found[0]


def taxon(*arguments: object, bundle: Path | None = None, cwd: Path | None = None) -> Finished:
    """Run the command, and hold its stderr to lines that begin with `taxon: `."""
    argv = [sys.executable, "-m", "taxon", *map(str, arguments)]
    if bundle is not None:
        argv += ["--bundle", str(bundle)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, cwd=cwd, check=False)
    WATCH.saw(done.stderr, f"the command's errors ({arguments[0] if arguments else ''})")
    errors = tuple(done.stderr.splitlines())
    strays = [line for line in errors if not line.startswith("taxon: ") and not line.startswith("evaluate ")]
    assert not strays, done.stderr
    return Finished(done.returncode, done.stdout, tuple(line for line in errors if line.startswith("taxon: ")))


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file()) if folder.exists() else []


_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Signs:
    """What a process holds. resident_bytes: its RSS. descriptors: the open ones. threads: the kernel's."""

    resident_bytes: int
    descriptors: int
    threads: int


def signs(service: ServiceProcess) -> Signs:
    """Return what it holds now; raises FileNotFoundError or ProcessLookupError for a process that is gone."""
    assert service.process is not None
    return signs_of(service.process.pid)


def signs_of(process_id: int) -> Signs:
    """Return what this process holds now; raises FileNotFoundError or ProcessLookupError for one that is gone."""
    folder = Path(f"/proc/{process_id}")
    resident = int((folder / "statm").read_text().split()[1]) * _PAGE_BYTES
    return Signs(resident, len(list((folder / "fd").iterdir())), len(list((folder / "task").iterdir())))


def slope(seconds: Sequence[float], values: Sequence[float]) -> float:
    """Return the least-squares line's rise a second; 0 for fewer than two values."""
    if len(values) < 2:
        return 0.0
    return float(np.polyfit(np.asarray(seconds) - seconds[0], values, 1)[0])


Settings = TypeVar("Settings", bound=ServiceSettings)


def settings_with(kind: type[Settings], **chosen: Any) -> Settings:
    """Return the defaults but for these values; variables of the environment count, too."""
    return kind(**chosen)


def health_stub(channel: grpc.aio.Channel) -> Any:
    """Return a client of Check and Watch, methods that the type stub does not name."""
    return health_pb2_grpc.HealthStub(channel)


def reflection_stub(channel: grpc.aio.Channel) -> Any:
    """Return a client of ServerReflectionInfo; the type stub knows blocking channels only."""
    stub: Any = reflection_pb2_grpc.ServerReflectionStub
    return stub(channel)
