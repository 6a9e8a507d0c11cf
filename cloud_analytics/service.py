"""The cloud service: its parts started, watched and stopped.

    build --> servers listen --> networks warm --> ready --> drain --> stop

Laws: it is alive from the first moment, and ready when the networks are warm. A drain refuses what is new, acknowledges
what was received, gives subscribers what is queued, and ends within `drain_seconds`.
"""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from typing_extensions import override

from cloud_analytics.assembly import Parts, Servers, build, servers_of
from cloud_analytics.journal.storage import Storage
from cloud_analytics.pipeline import Pipeline
from cloud_analytics.readiness import Readiness
from cloud_analytics.settings import CloudSettings
from cloud_analytics.subscribers.subscriptions import Subscriptions
from cloud_analytics.uplink.edges import Uplinks
from shared.errors import BundleError, BusAway, Draining, TaxonError
from shared.server.grpc_server import RpcServer
from shared.server.lifecycle import Service
from shared.server.supervisor import Deadline, Supervisor
from shared.telemetry.logs import logger

log = logger("cloud")
bus_log = logger("cloud.bus")
PATIENCE_SECONDS = 5.0
"""A bus that is away for so long is given up for the time being."""
LOOK_SECONDS = 0.2
CALLS_GRACE_SECONDS = 1.0
LEAST_STEP_SECONDS = 0.05
"""Each step of a drain gets at least so long, even after the deadline: what is done already then counts as done."""


@dataclass(frozen=True, eq=False)
class BusWatch:
    """Sends edges and subscribers away while the bus is away, and calls them back when it is there again.

    Law: no client waits for a replica that can do nothing for it, while another replica may.
    """

    storage: Storage
    readiness: Readiness
    rpc: RpcServer
    pipeline: Pipeline
    uplinks: Uplinks
    subscriptions: Subscriptions

    async def run(self) -> None:
        """Watch until the task is cancelled."""
        is_closed = False
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            away_seconds = self.storage.away_seconds
            if away_seconds >= PATIENCE_SECONDS and not is_closed:
                is_closed = True
                bus_log.error("not ready: the bus is away", seconds=round(away_seconds, 1))
                await self._close()
            elif not away_seconds and is_closed:
                is_closed = False
                bus_log.info("ready: the bus is back")
                self.readiness.open()
                self.rpc.set_ready(True)

    async def _close(self) -> None:
        self.readiness.close(BusAway())
        self.rpc.set_ready(False)
        # Edges first: one that is gone goes on coding what was wanted last, whatever becomes of its subscribers.
        self.uplinks.end_all(BusAway())
        self.pipeline.give_up(BusAway())
        self.subscriptions.end_all(BusAway())


class CloudService(Service):
    """One cloud process."""

    def __init__(self, settings: CloudSettings) -> None:
        self._settings = settings
        self._supervisor = Supervisor()
        self._parts: Parts | None = None
        self._servers: Servers | None = None
        self._was_ready = False

    @property
    def rpc_port(self) -> int:
        """The port on which it listens for gRPC, once it has started."""
        return 0 if self._servers is None else self._servers.rpc.port

    @property
    def http_port(self) -> int:
        """The port on which it listens for HTTP, once it has started."""
        return 0 if self._servers is None else self._servers.web.port

    @override
    async def start(self) -> None:
        """Return when the networks are warm.

        Raises SettingsRefused, BundleError, FolderError, BusUnusable, AddressInUse or ProviderMissing.
        """
        began = time.monotonic()
        parts = self._parts = await build(self._settings)
        servers = self._servers = servers_of(parts)
        await servers.rpc.start()
        await servers.web.start()
        await asyncio.to_thread(parts.catalogue.scan)
        if not parts.catalogue.served:
            raise BundleError(
                str(self._settings.bundles), "holds no bundle that can be used; name a folder with --bundles"
            )
        await parts.start()
        watch = BusWatch(
            parts.storage, parts.readiness, servers.rpc, parts.pipeline, parts.uplinks, parts.subscriptions
        )
        self._supervisor.watch(parts.pipeline.supervisor)
        self._supervisor.watch(parts.storage.supervisor)
        self._supervisor.start(self._scan(parts), "bundles")
        self._supervisor.start(watch.run(), "bus watch")
        self._supervisor.start(parts.security.run(), "certificates and tokens")
        self._was_ready = True
        parts.readiness.open()
        servers.rpc.set_ready(True)
        log.info(
            "ready",
            rpc=self.rpc_port,
            http=self.http_port,
            wall=servers.web.url,
            seconds=round(time.monotonic() - began, 2),
        )

    @override
    async def failed(self) -> BaseException:
        return await self._supervisor.failed()

    @override
    async def reload(self) -> None:
        if self._parts is not None:
            await asyncio.to_thread(self._parts.security.look)
            if await asyncio.to_thread(self._parts.catalogue.scan):
                self._parts.wishes.changed()

    @override
    async def stop(self) -> None:
        parts, servers = self._parts, self._servers
        if parts is None or servers is None:
            return
        deadline = Deadline(self._settings.drain_seconds)
        parts.readiness.drain()
        await self._supervisor.stop()
        servers.rpc.set_ready(False)
        if self._was_ready:
            # In the order of a frame's way: what edges have sent is published, then subscribers are given it.
            for step in (parts.uplinks.stop(Draining()), parts.pipeline.drain(), parts.subscriptions.drain()):
                await deadline.allows(step, at_least=LEAST_STEP_SECONDS)
        await servers.rpc.stop(CALLS_GRACE_SECONDS)
        await servers.web.stop(CALLS_GRACE_SECONDS)
        await parts.close()

    async def _scan(self, parts: Parts) -> None:
        while True:
            await asyncio.sleep(self._settings.bundle_scan_seconds)
            try:
                if await asyncio.to_thread(parts.catalogue.scan):
                    parts.wishes.changed()
            except (TaxonError, OSError) as error:
                log.error("bundles cannot be scanned", reason=str(error))
            except Exception:
                # The networks' runtime raises errors of its own; one bad file must not end the search for good ones.
                log.exception("bundles cannot be scanned")
