"""The edge as one service: its parts tied together, started, watched, drained and stopped.

    cameras --http, rpc, sources--> Admission --FrameQueue--> Pipeline --Spool--> Uplink --> cloud

Order of a start: spool, bundle, servers (alive), networks warmed up (ready), sources. Order of a stop: not ready, nothing new is taken,
what was taken is coded and answered, the uplink empties the spool as far as time goes, the rest stays on disk.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from edge_encoder.control.backpressure import Backpressure
from edge_encoder.control.operating_points import OperatingPoints
from edge_encoder.control.wanted_groups import Wishes, kept_wish
from edge_encoder.encoding.encoder import Encoder
from edge_encoder.ingest.admission import Admission
from edge_encoder.ingest.cameras import Cameras
from edge_encoder.ingest.grpc_service import NAME, IngestService
from edge_encoder.ingest.http import edge_app
from edge_encoder.ingest.repeated_posts import RepeatedPosts
from edge_encoder.ingest.sources import SourcePlayer
from edge_encoder.metrics.cameras import CameraTerms
from edge_encoder.metrics.service import EdgeMetrics
from edge_encoder.pipeline.frame_queue import FrameQueue
from edge_encoder.pipeline.pipeline import Pipeline
from edge_encoder.settings import EdgeSettings
from edge_encoder.spool.spool import Spool
from edge_encoder.uplink.link import Uplink
from shared.errors import DiskFull, SettingsRefused
from shared.model.bundle import Bundle
from shared.model.execution_providers import choose_providers, provider_names
from shared.server.access.interceptors import TokenInterceptor
from shared.server.connections.http_limit import HttpConnectionLimit
from shared.server.grpc_server import RpcServer
from shared.server.http_server import WebServer
from shared.server.security import server_security
from shared.telemetry.logs import logger
from shared.transport.loopback import is_loopback
from shared.wire import ingest_pb2_grpc, uplink_pb2

HOUSEKEEPING_SECONDS = 2.0
LARGEST_RPC_OVERHEAD_BYTES = 4096

log = logger("edge")


class EdgeService:
    """bundle_directory: where the model bundle lies. After `start`, http_port and rpc_port say where it listens."""

    def __init__(self, settings: EdgeSettings, bundle_directory: Path) -> None:
        self._settings = settings
        self._directory = bundle_directory
        most = max(settings.most_cameras, len(settings.named_cameras))
        self._metrics = EdgeMetrics(CameraTerms(most, settings.camera_series_seconds, settings.budget_of))
        self._closing = AsyncExitStack()
        addresses = {"http": settings.http, "rpc": settings.rpc}
        self._guard = server_security(settings, addresses, self._metrics.meters, settings.cloud_credentials)
        _check_uplink(settings)
        self._running: list[asyncio.Task[None]] = []
        self._players: list[asyncio.Task[None]] = []
        self._uplink_runs: asyncio.Task[None] | None = None
        self.http_port = 0
        self.rpc_port = 0

    async def start(self) -> None:
        """Returns when frames are taken; raises TaxonError."""
        self._spool, recalled = await asyncio.to_thread(self._opened_spool)
        self._closing.push_async_callback(asyncio.to_thread, self._spool.close)
        bundle = await asyncio.to_thread(Bundle.load, self._directory)
        self._build(bundle, await asyncio.to_thread(self._encoder, bundle), recalled)
        await self._listen()
        await asyncio.to_thread(warm_up, self._pipeline.encoder, self._settings.most_batch)
        self._uplink_runs = self._run(self._uplink.run(), "uplink")
        self._run(self._pipeline.run(), "pipeline")
        self._run(self._keep_house(), "housekeeping")
        self._run(self._guard.run(), "certificates and tokens")
        self._intake.open()
        await self._rpc.set_ready(True)
        log.info(
            "ready",
            rpc=self.rpc_port,
            http=self.http_port,
            docs=f"{self._web.url}docs",
            cloud=self._settings.cloud,
            bundle=bundle.id,
        )
        self._players = [self._run(player.run(), "source") for player in self._sources()]

    async def failed(self) -> BaseException:
        """Waits until a part that must not end has ended, and says why."""
        waits: set[asyncio.Task[None]] = set(self._running)
        while True:
            done, waits = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                error = None if task.cancelled() else task.exception()
                if error is not None or task not in self._players:
                    return error or RuntimeError(f"{task.get_name()} has ended")

    async def stop(self) -> None:
        """Drains within the settings' time, then stops; what the cloud has not acknowledged stays in the spool."""
        deadline = asyncio.get_running_loop().time() + self._settings.drain_seconds
        try:
            if self.rpc_port:
                await self._drain(deadline)
        finally:
            for task in self._running:
                task.cancel()
            await asyncio.gather(*self._running, return_exceptions=True)
            await self._closing.aclose()

    async def _drain(self, deadline: float) -> None:
        loop = asyncio.get_running_loop()
        self._intake.close()
        self._flow.release()
        await self._rpc.set_ready(False)
        if not await _within(deadline, self._intake.idle()):
            log.warning("some frames have no answer yet", waiting=self._queue.frames)
        stops = asyncio.gather(
            self._web.stop(max(0.5, deadline - loop.time())), self._rpc.stop(max(0.5, deadline - loop.time()))
        )
        if self._uplink_runs is not None:
            self._uplink.finish()
            await asyncio.wait({self._uplink_runs}, timeout=max(0.0, deadline - loop.time()))
        await stops
        log.info("drained", spooled=self._spool.frames)

    def _opened_spool(self) -> tuple[Spool, _Recalled]:
        settings = self._settings
        spool = Spool(settings.data, settings.spool_bytes, settings.spool_age_seconds, settings.spool_sync)
        edge_id = settings.edge_id or spool.edge_id(f"edge-{secrets.token_hex(4)}")
        return spool, _Recalled(edge_id, kept_wish(spool.wish()), RepeatedPosts(spool.receipts()))

    def _encoder(self, bundle: Bundle) -> Encoder:
        providers = choose_providers(self._settings.providers, self._settings.engine_cache, bundle)
        log.info("networks open", bundle=bundle.id, providers=provider_names(providers), threads=self._settings.threads)
        return Encoder(bundle, providers, self._settings.threads)

    def _build(self, bundle: Bundle, encoder: Encoder, recalled: _Recalled) -> None:
        settings, metrics = self._settings, self._metrics
        self._wishes = Wishes([group.name for group in bundle.manifest.groups], settings.pinned_groups)
        self._wishes.replace(recalled.wish)
        self._flow = Backpressure(is_live=settings.queue_policy == "newest")
        metrics.watch_flow(lambda: self._flow.is_behind)
        self._queue = FrameQueue(settings.queue_policy, settings.queue_depth, settings.queue_bytes)
        metrics.watch_queue(lambda: self._queue.frames, lambda: self._queue.bytes)
        metrics.queue_limit.set(settings.queue_bytes)
        metrics.spool_limit.set(settings.spool_bytes)
        metrics.spool_age_limit.set(settings.spool_age_seconds)
        metrics.describe(bundle)
        cameras = Cameras(settings.cameras, settings.most_cameras, metrics)
        self._intake = Admission(
            cameras,
            self._queue,
            self._wishes,
            recalled.repeats,
            metrics,
            settings.largest_picture_bytes,
            settings.post_deadline_seconds,
        )
        self._uplink = Uplink(
            settings.cloud,
            recalled.edge_id,
            bundle.digest,
            self._spool,
            metrics,
            settings.uplink_interval_seconds,
            self._wanted,
            self._flow,
            cameras=lambda: cameras.names,
            credentials=settings.cloud_credentials,
        )
        cameras.on_new(self._uplink.notify)
        metrics.watch_ready(lambda: self._intake.waits_for is None)
        self._pipeline = Pipeline(
            encoder,
            self._queue,
            self._wishes,
            OperatingPoints(bundle, settings.rate, settings.budget_of),
            self._spool,
            metrics,
            settings.most_batch,
            self._uplink.notify,
            self._flow,
        )
        self._closing.push_async_callback(asyncio.to_thread, self._pipeline.close)

    async def _listen(self) -> None:
        settings = self._settings
        access, tls = self._guard.access, self._guard.tls
        app = edge_app(
            self._intake, self._metrics.registry, settings.queue_bytes, lambda: self._intake.waits_for, access
        )
        dropped = self._metrics.connections_dropped
        door = HttpConnectionLimit(settings.http_connections, lambda reason: dropped.labels(reason).inc())
        self._web = WebServer(app, settings.http, tls=tls, doorkeeper=door)
        await self._web.start()
        self._closing.push_async_callback(self._web.stop, 0.5)
        self.http_port = self._web.port
        largest = settings.largest_picture_bytes + LARGEST_RPC_OVERHEAD_BYTES
        self._rpc = RpcServer(
            settings.rpc, largest, settings.most_calls, tls, [TokenInterceptor(access)], settings.rpc_connections
        )
        service = IngestService(self._intake, self._most_open, access)
        self._rpc.add(ingest_pb2_grpc.add_IngestServiceServicer_to_server, service, NAME)
        await self._rpc.start()
        self._closing.push_async_callback(self._rpc.stop, 0.5)
        self.rpc_port = self._rpc.port
        log.info("listening", http=self.http_port, rpc=self.rpc_port)

    @property
    def _most_open(self) -> int:
        """Frames of one stream or source without an answer. With policy `all` no more than wait, so that none is refused."""
        settings = self._settings
        newest = settings.queue_policy == "newest"
        return settings.queue_depth + (2 * settings.most_batch if newest else 0)

    def _sources(self) -> list[SourcePlayer]:
        settings = self._settings
        return [
            SourcePlayer(source, settings.source_loop, self._intake, self._metrics, self._most_open)
            for source in settings.sources
        ]

    def _run(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        task = asyncio.create_task(work, name=name)
        self._running.append(task)
        return task

    async def _wanted(self, wanted: uplink_pb2.Wanted) -> None:
        """What is wanted from now on, kept over a restart."""
        self._wishes.replace(wanted)
        try:
            await asyncio.to_thread(self._spool.keep_wish, wanted.SerializeToString())
        except DiskFull as error:
            log.error("the wish cannot be kept", error=str(error))
        log.info("wanted", groups_of_all=list(wanted.groups_of_all), cameras=len(wanted.cameras))

    async def _keep_house(self) -> None:
        """Shows the spool in the metrics, and drops what is too old also when nothing comes."""
        metrics, state = self._metrics, await asyncio.to_thread(self._spool.state)
        metrics.watch_spool(lambda: state)
        while True:
            try:
                await asyncio.to_thread(self._spool.expire)
            except DiskFull as error:
                log.error("the spool cannot be written", error=str(error))
            state = await asyncio.to_thread(self._spool.state)
            for (camera_id, bound), frames in self._spool.take_dropped().items():
                metrics.cameras.dropped(camera_id, bound, frames)
            for camera_id in self._settings.named_cameras:
                # It has series also when it gives nothing: then above all.
                metrics.cameras.saw(camera_id)
            metrics.cameras.forget_quiet()
            await asyncio.sleep(HOUSEKEEPING_SECONDS)


@dataclass(frozen=True)
class _Recalled:
    """What an earlier run of this edge left in the spool, frames apart."""

    edge_id: str
    wish: uplink_pb2.Wanted
    repeats: RepeatedPosts


def _check_uplink(settings: EdgeSettings) -> None:
    """Raises SettingsRefused for credentials that cannot be used, and for a cloud elsewhere that would be told in plain text."""
    settings.cloud_credentials.metadata()
    elsewhere = [target for target in settings.cloud.split(",") if not is_loopback(target)]
    if elsewhere and settings.cloud_ca is None:
        if not settings.insecure:
            raise SettingsRefused(
                f"--cloud {elsewhere[0]} is another machine: give --cloud-ca, or say --insecure where the network can be trusted"
            )
        log.warning("what is coded goes to another machine in plain text", cloud=elsewhere)


def warm_up(encoder: Encoder, most_batch: int) -> None:
    """Opens every graph and runs it, with one frame and with a full batch, so that the first frame does not pay for it."""
    manifest = encoder.bundle.manifest
    groups = [group.name for group in manifest.groups]
    for frames in sorted({1, most_batch}):
        black = np.zeros((frames, manifest.input.height, manifest.input.width, 3), np.uint8)
        latents = encoder.analyse_each(black, [groups] * frames, [manifest.default_rate] * frames)
    encoder.code(latents[0])


async def _within(deadline: float, work: Coroutine[Any, Any, None]) -> bool:
    """Whether it was done by then, on the loop's clock."""
    try:
        async with asyncio.timeout_at(deadline):
            await work
    except TimeoutError:
        return False
    return True
