"""The edge as one service: built, started, watched, drained and stopped.

    cameras --http, gRPC, sources--> Admission --FrameQueue--> Pipeline --Spool--> Uplink --> cloud

A start goes in this order: spool and bundle open, servers listen (alive), networks warm up (ready), sources play.
A stop: nothing new is admitted, what was admitted is coded and answered, the uplink empties the spool.

Law: a drain ends in the settings' time, and what the cloud has not acknowledged by then stays in the spool.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

from edge_encoder.assembly import EdgeParts, build
from edge_encoder.settings import EdgeSettings
from shared.errors import DiskFull
from shared.server.supervisor import Deadline, Supervisor
from shared.telemetry.logs import logger

HOUSEKEEPING_SECONDS = 2.0
LEAST_GRACE_SECONDS = 0.5

log = logger("edge")


class EdgeService:
    """An edge that `shared.server.lifecycle` can run. bundle_directory: where the model bundle lies."""

    def __init__(self, settings: EdgeSettings, bundle_directory: Path) -> None:
        self._settings = settings
        self._directory = bundle_directory
        self._supervisor = Supervisor()
        self._parts: EdgeParts | None = None
        self._uplink_runs: asyncio.Task[None] | None = None

    @property
    def parts(self) -> EdgeParts:
        """The parts of the edge, once `start` has built them."""
        assert self._parts is not None, "the edge has not started"
        return self._parts

    @property
    def http_port(self) -> int:
        """The port of its HTTP, once it listens."""
        return self.parts.web.port

    @property
    def rpc_port(self) -> int:
        """The port of its gRPC, once it listens."""
        return self.parts.rpc.port

    async def start(self) -> None:
        """Return when frames are admitted. Raises TaxonError."""
        parts = self._parts = await build(self._settings, self._directory)
        await parts.listen()
        log.info("listening", http=self.http_port, rpc=self.rpc_port)
        await asyncio.to_thread(parts.pipeline.warm_up)
        self._uplink_runs = self._supervisor.start(parts.uplink.run(), "uplink")
        self._supervisor.start(parts.pipeline.run(), "pipeline")
        self._supervisor.start(self._keep_house(parts), "housekeeping")
        self._supervisor.start(parts.security.run(), "certificates and tokens")
        parts.admission.open()
        parts.rpc.set_ready(True)
        log.info(
            "ready",
            rpc=self.rpc_port,
            http=self.http_port,
            docs=f"{parts.web.url}docs",
            cloud=self._settings.cloud,
            bundle=parts.bundle.id,
        )
        self._supervisor.watch(parts.players.supervisor)
        self._supervisor.start(parts.players.run(), "sources")
        self._supervisor.start(parts.file_watch.run(), "cameras file", may_end=True)

    async def failed(self) -> BaseException:
        """Wait for the first failure of a part that must not end, and return its reason."""
        return await self._supervisor.failed()

    async def reload(self) -> None:
        """Read certificates, tokens and the cameras' file again, at SIGHUP."""
        await asyncio.to_thread(self.parts.security.look)
        await self.parts.file_watch.reload()

    async def stop(self) -> None:
        """Drain within the settings' time, then stop; may be called again."""
        deadline = Deadline(self._settings.drain_seconds)
        try:
            # Before the uplink runs, no frame was admitted and nothing is to drain.
            if self._parts is not None and self._uplink_runs is not None:
                await self._drain(self._parts, self._uplink_runs, deadline)
        finally:
            await self._supervisor.stop()
            if self._parts is not None:
                await self._parts.close()

    async def _drain(self, parts: EdgeParts, uplink_runs: asyncio.Task[None], deadline: Deadline) -> None:
        parts.admission.close()
        # Frames that were held back for the cloud are coded now: the spool outlives the process, the queue does not.
        parts.backpressure.release()
        parts.rpc.set_ready(False)
        if not await deadline.allows(parts.admission.idle()):
            log.warning("the drain's time is over, some frames have no answer", waiting=parts.queue.frames)
        # The servers stop while the uplink sends: their last answers and its last frames share the time that is left.
        grace_seconds = deadline.left(LEAST_GRACE_SECONDS)
        stops = asyncio.gather(parts.web.stop(grace_seconds), parts.rpc.stop(grace_seconds))
        parts.uplink.finish()
        await asyncio.wait({uplink_runs}, timeout=deadline.left())
        await stops
        log.info("drained", spooled=parts.spool.frames)

    async def _keep_house(self, parts: EdgeParts) -> None:
        """Show the spool in the metrics, and drop what is too old also when no frame comes."""
        spool, cameras = parts.spool, parts.metrics.cameras
        state = await asyncio.to_thread(spool.state)
        parts.metrics.watch_spool(lambda: state, spool.now_us)
        while True:
            try:
                await asyncio.to_thread(spool.expire)
            except DiskFull as error:
                log.error("frames over their age cannot be deleted from the spool", error=str(error))
            state = await asyncio.to_thread(spool.state)
            for (camera_id, bound), frames in spool.take_dropped().items():
                cameras.dropped(camera_id, bound, frames)
            await parts.departures.look()
            for camera_id in parts.book.entries:
                # A named camera keeps its series while it is silent: its silence is what an alert asks for.
                cameras.saw(camera_id)
            cameras.forget_quiet()
            await asyncio.sleep(HOUSEKEEPING_SECONDS)
