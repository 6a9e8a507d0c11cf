"""The real nats-server with JetStream, on a free port of 127.0.0.1: started, killed, started again with the same files.

async with running_nats(folder) as nats: ...       nats.url; await nats.kill() (SIGKILL); await nats.start(); nats.pause(); nats.resume()
"""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.debian import DebianPackage, killed, started
from tests.support.services import free_port

BINARY = "nats-server"
START_SECONDS = 20.0
needs_nats = DebianPackage(BINARY).needed


@dataclass
class NatsServer:
    """A NATS server. folder: its files and its log."""

    folder: Path
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def url(self) -> str:
        return f"nats://127.0.0.1:{self.port}"

    async def start(self) -> None:
        """Start it, and return when it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        argv = [BINARY, "-js", "-sd", str(self.folder / "store"), "-a", "127.0.0.1", "-p", str(self.port)]
        self.process = await started(argv, self.folder / "nats.log", self._answers, START_SECONDS)

    async def kill(self) -> None:
        """Send SIGKILL: nothing is finished, nothing is flushed."""
        await killed(self.process)

    def pause(self) -> None:
        """Stop it with its connections open."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    async def _answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except OSError:
            return False
        line = await reader.readline()
        writer.close()
        return line.startswith(b"INFO")


@asynccontextmanager
async def running_nats(folder: Path) -> AsyncIterator[NatsServer]:
    """Start a server, and end it whatever happens."""
    server = NatsServer(folder)
    await server.start()
    try:
        yield server
    finally:
        if server.process is not None and server.process.returncode is None:
            await server.kill()
