"""The cloud service: its parts started, watched and stopped.

    build --> servers listen --> networks warm --> ready --> drain --> stop

Laws: it is alive from the first moment, and ready when the networks are warm. A drain refuses what is new, acknowledges
what was received, gives subscribers what is queued, and ends within `drain_seconds`.
"""

from __future__ import annotations

import asyncio
import time

from typing_extensions import override

from cloud_analytics.assembly import Parts, Servers, build, servers_of
from cloud_analytics.bus_watch import BusWatch
from cloud_analytics.settings import CloudSettings
from shared.errors import BundleError, Draining, TaxonError
from shared.server.lifecycle import Service
from shared.server.supervisor import Deadline, Supervisor
from shared.telemetry.logs import logger

log = logger("cloud")
CALLS_GRACE_SECONDS = 1.0
LEAST_STEP_SECONDS = 0.05
"""Each step of a drain gets at least so long, even after the deadline: what is done already then counts as done."""


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
        await servers.rpc.set_ready(True)
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
    async def stop(self) -> None:
        parts, servers = self._parts, self._servers
        if parts is None or servers is None:
            return
        deadline = Deadline(self._settings.drain_seconds)
        parts.readiness.drain()
        await self._supervisor.stop()
        await servers.rpc.set_ready(False)
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
