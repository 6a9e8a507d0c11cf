"""The real services as processes: started on free ports, killed, started again on the same ports with the same data.

async with running(edge, cloud): ...       edge.kill() (SIGKILL), await edge.start(), await edge.stop() (SIGTERM)
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx

START_SECONDS = 90.0
STOP_SECONDS = 30.0


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


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
        """Returns when it is ready; raises AssertionError with the log's end where it does not become so."""
        self.folder.mkdir(parents=True, exist_ok=True)
        argv = [*self.before, *self.command, self.kind, "--log-format", "json"]
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
        """An HTTP client that trusts its authority and shows its token."""
        trusted = True if self.ca is None else ssl.create_default_context(cafile=str(self.ca))
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        return httpx.AsyncClient(timeout=seconds, verify=trusted, headers=headers)

    async def kill(self) -> None:
        """SIGKILL: nothing is finished, nothing is flushed."""
        assert self.process is not None
        self.process.kill()
        await self.process.wait()

    async def stop(self) -> int:
        """SIGTERM, and the exit status; raises TimeoutError where the drain does not end."""
        assert self.process is not None
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), STOP_SECONDS)

    async def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels; 0 where there is none."""
        async with self.browser(5) as client:
            text = (await client.get(f"{self.url}/metrics")).text
        wanted = [f'{key}="{value}"' for key, value in labels.items()]
        rows = [line for line in text.splitlines() if line.split("{")[0].split(" ")[0] == name]
        return sum(float(line.rsplit(" ", 1)[1]) for line in rows if all(one in line for one in wanted))


@asynccontextmanager
async def running(*services: ServiceProcess) -> AsyncIterator[None]:
    """Starts the services one after the other; afterwards none is left, whatever happened."""
    async with AsyncExitStack() as stack:
        for service in services:
            stack.push_async_callback(_ended, service)
            await service.start()
        yield


async def _ended(service: ServiceProcess) -> None:
    if service.process is not None and service.process.returncode is None:
        service.process.kill()
        await service.process.wait()
