"""The services under chaos and what stands around them: links, clocks, a network and a disk, as far as this machine has them.

edge --uplink link--> cloud --results link--> subscribers          (the edge: in a network namespace, its data on a small disk)
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.clock import HAS_WRONG_CLOCK, WrongClock
from tests.support.disk import HAS_SMALL_DISK, SmallDisk, small_disk
from tests.support.network import HAS_ROUGH_NETWORK, Link, RoughNetwork, Weather, rough_network
from tests.support.services import ServiceProcess, running
from tests.trials.chaos.masked import keep_view
from tests.trials.chaos.sources import BreakingSources

USUAL = Weather(delay_seconds=0.02, jitter_seconds=0.02, loss=0.01)
STORM = Weather(delay_seconds=0.2, jitter_seconds=0.2, loss=0.1)
RECENT_BYTES = 16 << 20
"""The cloud's cache of results is small, so that it is soon full: whatever grows after that is something else."""


@dataclass(frozen=True)
class Stack:
    """network, disk: None where this machine cannot make them. clocks: by service, empty where they cannot be set."""

    edge: ServiceProcess
    cloud: ServiceProcess
    uplink: Link
    results: Link
    network: RoughNetwork | None
    disk: SmallDisk | None
    clocks: dict[str, WrongClock]
    sources: BreakingSources | None

    @property
    def spool(self) -> Path:
        """Return the edge's data folder, as this process sees it."""
        return self.edge.folder / "data" if self.disk is None else self.disk.path

    def check(self) -> None:
        """Hold both services to be running; raises AssertionError where one has ended by itself."""
        for service in (self.edge, self.cloud):
            if service.process is not None and service.process.returncode is not None:
                status, told = service.process.returncode, service.log.read_text()[-3000:]
                raise AssertionError(f"{service.kind} has ended by itself with {status}: {told}")


def left_out() -> tuple[str, ...]:
    """Return what this machine cannot do to the services, in words."""
    missing = {
        "a rough network (needs root, /dev/net/tun, ip)": HAS_ROUGH_NETWORK,
        "a full disk (needs root that may mount)": HAS_SMALL_DISK,
        "wrong clocks (needs Debian's faketime)": HAS_WRONG_CLOCK,
    }
    return tuple(what for what, is_there in missing.items() if not is_there)


@asynccontextmanager
async def stack(folder: Path, bundle: Path, seed: int, has_sources: bool = True) -> AsyncIterator[Stack]:
    """Start the services and wait until they are ready. folder: data and logs. bundle: the one that both load.

    has_sources: whether the edge pulls cameras, too.
    """
    queues = ("--subscriber-queue-frames", "10000", "--recent-bytes", str(RECENT_BYTES))
    options = ("--bundles", str(bundle.parent.parent), "--threads", "1", *queues)
    cloud = ServiceProcess("cloud", folder / "cloud", options)
    uplink, results = Link(cloud.rpc_port), Link(cloud.rpc_port)
    async with AsyncExitStack() as inner:
        before: tuple[str, ...] = ()
        disk = network = None
        if HAS_ROUGH_NETWORK:
            network = await inner.enter_async_context(rough_network(seed))
            network.weather = USUAL
            uplink.host = network.near
            before += network.inside
        if HAS_SMALL_DISK:
            # After the network, whose name has to be there when the mounts are copied.
            disk = await inner.enter_async_context(small_disk(folder / "edge" / "data"))
            before = disk.inside + before
        sources = None
        if has_sources:
            sources = BreakingSources(folder / "pictures", "127.0.0.1" if network is None else network.clean_near)
            await inner.enter_async_context(sources.serving())
        keep_view(folder / "edge" / "data" if disk is None else disk.path)
        for link in (uplink, results):
            await inner.enter_async_context(link)
        edge = ServiceProcess(
            "edge",
            folder / "edge",
            ("--bundle", str(bundle), "--threads", "1", "--queue-policy", "all", "--queue-depth", "16")
            + ("--cloud", uplink.address, *(sources.options if sources else ())),
            before=before,
        )
        if network is not None:
            # Not loopback, and nobody else is in that network.
            edge.host, edge.options = network.clean_far, (*edge.options, "--insecure")
        clocks = {}
        for service in (edge, cloud) if HAS_WRONG_CLOCK else ():
            clocks[service.kind] = WrongClock(folder / f"{service.kind}.clock")
            service.environment = clocks[service.kind].environment
        await inner.enter_async_context(running(cloud, edge))
        yield Stack(edge, cloud, uplink, results, network, disk, clocks, sources)
