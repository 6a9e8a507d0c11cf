"""The cloud service: its parts tied together, started and stopped.

    edges --UplinkService--> Pipeline --> ResultBus --> Subscriptions --> ResultsService, wall

Laws: alive from the first moment, ready when the networks are warm; a drain refuses what is new, acknowledges what was
received, gives subscribers what is queued, and ends within `drain_seconds`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable
from concurrent.futures import Executor, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from cloud_analytics.analysis.analysis import Analysis
from cloud_analytics.analysis.catalogue import Catalogue
from cloud_analytics.bus_watch import BusWatch
from cloud_analytics.decoding.decoder import Decoder
from cloud_analytics.journal.backing import Neighbours, Storage
from cloud_analytics.journal.local.backing import LocalStorage
from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.pipeline import Pipeline
from cloud_analytics.readiness import Readiness
from cloud_analytics.results.bus import ResultBus
from cloud_analytics.results.cache import ResultCache
from cloud_analytics.settings import LOCAL_BUS, CloudSettings
from cloud_analytics.subscribers.server import NAME as RESULTS
from cloud_analytics.subscribers.server import ResultsService
from cloud_analytics.subscribers.subscription import Outlets
from cloud_analytics.subscribers.subscriptions import Subscriptions
from cloud_analytics.uplink.edges import Uplinks
from cloud_analytics.uplink.server import NAME as UPLINK
from cloud_analytics.uplink.server import UplinkService
from cloud_analytics.uplink.session import UplinkParts, UplinkTerms
from cloud_analytics.wall import WALL_OPEN_PATHS, WallMetrics, add_wall
from cloud_analytics.wishes import Wishes
from shared.errors import BundleError, BusUnusable, Draining, TaxonError
from shared.model.bundle import Bundle
from shared.model.execution_providers import choose_providers, provider_names
from shared.server.access.interceptors import TokenInterceptor
from shared.server.connections.http_limit import HttpConnectionLimit
from shared.server.grpc_server import RpcServer
from shared.server.http_server import WebServer, web_app
from shared.server.security import ServerSecurity, server_security
from shared.telemetry.logs import logger
from shared.wire.results_pb2_grpc import add_ResultsServiceServicer_to_server
from shared.wire.uplink_pb2_grpc import add_UplinkServiceServicer_to_server

log = logger("cloud")
CALLS_GRACE_SECONDS = 1.0
CALLS_BESIDE_STREAMS = 100


class CloudService:
    """See `shared.server.lifecycle.Service`."""

    def __init__(self, settings: CloudSettings) -> None:
        self._settings = settings
        self.metrics = CloudMetrics(CollectorRegistry(), settings.most_measured_cameras, settings.camera_series_seconds)
        self.metrics.journal_limit.set(settings.journal_bytes)
        self._guard = server_security(settings, {"http": settings.http, "rpc": settings.rpc}, self.metrics.meters)
        self._gate = Readiness(self.metrics)
        self.metrics.watch_ready(lambda: self._gate.waits_for is None)
        self._catalogue = Catalogue(settings.bundles.expanduser(), self._decoder, settings.most_batch, self.metrics)
        self._rendering = ThreadPoolExecutor(settings.decode_threads, "render")
        self._backing: Storage | None = None
        self._parts: _Parts | None = None
        self._beside: list[asyncio.Task[None]] = []
        """What runs beside the pipeline, once the service is ready."""

    @property
    def rpc_port(self) -> int:
        """Where it listens for gRPC, once it has started."""
        return 0 if self._parts is None else self._parts.rpc.port

    @property
    def http_port(self) -> int:
        """Where it listens for HTTP, once it has started."""
        return 0 if self._parts is None else self._parts.web.port

    async def start(self) -> None:
        """Returns when the networks are warm. Raises BundleError, FolderError, BusUnusable, AddressInUse, ProviderMissing."""
        began = time.monotonic()
        backing = self._backing = _backing(self._settings, self.metrics)
        await backing.open()
        shared = _Shared(self._settings, self._catalogue, self._gate, self._rendering, self.metrics, self._guard)
        parts = self._parts = _Parts(shared, backing)
        await parts.rpc.start()
        await parts.web.start()
        await asyncio.to_thread(self._catalogue.scan)
        if not self._catalogue.served:
            raise BundleError(
                str(self._settings.bundles), "holds no bundle that can be used; name a folder with --bundles"
            )
        await parts.wishes.start()
        parts.pipeline.start()
        backing.join(
            Neighbours(
                parts.wishes.put_others,
                lambda: parts.uplinks.own_senders,
                parts.subscriptions.taken,
                lambda: parts.bus.published,
            )
        )
        watch = BusWatch(backing, self._gate, parts.rpc, parts.pipeline, parts.uplinks, parts.subscriptions)
        works = {"bundles": self._scan(parts.wishes), "bus": watch.run(), "certificates, tokens": self._guard.run()}
        self._beside = [asyncio.create_task(work, name=name) for name, work in works.items()]
        self._gate.open()
        await parts.rpc.set_ready(True)
        log.info(
            "ready",
            rpc=self.rpc_port,
            http=self.http_port,
            wall=parts.web.url,
            seconds=round(time.monotonic() - began, 2),
        )

    async def failed(self) -> BaseException:
        """See `Service`."""
        assert self._parts is not None
        assert self._backing is not None
        waits = {asyncio.create_task(one) for one in (self._parts.pipeline.failed(), self._backing.failed())}
        try:
            done, _ = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            return next(iter(done)).result()
        finally:
            for one in waits:
                one.cancel()

    async def stop(self) -> None:
        """See `Service`."""
        until = time.monotonic() + self._settings.drain_seconds
        self._gate.drain()
        for work in self._beside:
            work.cancel()
        await asyncio.gather(*self._beside, return_exceptions=True)
        if (parts := self._parts) is not None:
            await parts.rpc.set_ready(False)
            if self._beside:
                for step in (parts.uplinks.stop(Draining()), parts.pipeline.drain(), parts.subscriptions.drain()):
                    await _within(until - time.monotonic(), step)
            await parts.rpc.stop(CALLS_GRACE_SECONDS)
            await parts.web.stop(CALLS_GRACE_SECONDS)
            await parts.pipeline.close()
            await parts.analysis.close()
            await parts.wishes.close()
        await asyncio.to_thread(self._rendering.shutdown)
        if self._backing is not None:
            if self._beside:
                await self._backing.leave()
            await self._backing.close()

    def _decoder(self, bundle: Bundle) -> Decoder:
        providers = choose_providers(self._settings.providers, self._settings.engine_cache, bundle)
        log.info("networks open", bundle=bundle.id, providers=provider_names(providers))
        return Decoder(bundle, providers, self._settings.threads)

    async def _scan(self, wishes: Wishes) -> None:
        while True:
            await asyncio.sleep(self._settings.bundle_scan_seconds)
            try:
                if await asyncio.to_thread(self._catalogue.scan):
                    wishes.changed()
            except (TaxonError, OSError) as error:
                log.error("bundles not looked at", reason=str(error))
            except Exception:
                # The networks' runtime raises its own kinds; one bad file must not end the looking for good ones.
                log.exception("bundles not looked at")


@dataclass(frozen=True, eq=False)
class _Shared:
    """What exists before the service starts."""

    settings: CloudSettings
    catalogue: Catalogue
    gate: Readiness
    rendering: Executor
    metrics: CloudMetrics
    guard: ServerSecurity


class _Parts:
    """What exists once the backing is open. Made in the loop that it works in."""

    def __init__(self, shared: _Shared, backing: Storage) -> None:
        settings, catalogue, metrics = shared.settings, shared.catalogue, shared.metrics
        self.analysis = Analysis(
            catalogue, settings.decode_threads, settings.most_batch, settings.queue_delay_seconds, metrics
        )
        recent = ResultCache(self.analysis, catalogue, shared.rendering, settings.recent_bytes, metrics)
        bus = self.bus = ResultBus(backing.frames, recent, settings.subscriber_queue_frames, metrics)
        self.wishes = Wishes(backing.wish_store, settings.most_subscribers, metrics)
        self.uplinks = Uplinks(settings.most_uplinks, metrics, replicas=backing.replicas)
        queue_frames = settings.receive_queue_frames
        self.pipeline = Pipeline(backing.frames, self.analysis, bus, self.wishes, queue_frames, metrics)
        outlets = Outlets(bus, recent, self.wishes, metrics)
        self.subscriptions = Subscriptions(catalogue, backing.frames, self.uplinks, outlets, settings.most_subscribers)
        self.rpc = self._rpc_server(shared)
        self.web = self._web_server(shared)

    def _web_server(self, shared: _Shared) -> WebServer:
        settings, metrics, access = shared.settings, shared.metrics, shared.guard.access
        app = web_app(
            "taxon cloud",
            CloudSettings.__doc__ or "",
            lambda: shared.gate.waits_for,
            metrics.registry,
            access,
            WALL_OPEN_PATHS,
        )
        add_wall(app, self.subscriptions, metrics=WallMetrics(metrics.meters), access=access)
        door = HttpConnectionLimit(
            settings.http_connections, lambda reason: metrics.connections_dropped.labels(reason).inc()
        )
        return WebServer(app, settings.http, tls=shared.guard.tls, doorkeeper=door)

    def _rpc_server(self, shared: _Shared) -> RpcServer:
        settings = shared.settings
        calls = settings.most_uplinks + settings.most_subscribers + CALLS_BESIDE_STREAMS
        access = shared.guard.access
        server = RpcServer(
            settings.rpc,
            settings.largest_message_bytes,
            calls,
            shared.guard.tls,
            [TokenInterceptor(access)],
            settings.rpc_connections,
        )
        terms = UplinkTerms(settings.credit_frames, settings.ack_interval_seconds, settings.ack_frames)
        uplink = UplinkService(
            UplinkParts(shared.catalogue, self.pipeline, self.uplinks, self.wishes, terms, shared.metrics),
            shared.gate,
            access,
        )
        results = ResultsService(self.subscriptions, shared.gate, settings.largest_message_bytes, access)
        server.add(add_UplinkServiceServicer_to_server, uplink, UPLINK)
        server.add(add_ResultsServiceServicer_to_server, results, RESULTS)
        return server


def _backing(settings: CloudSettings, metrics: CloudMetrics) -> Storage:
    """Raises BusUnusable where the package for a shared one is missing."""
    if settings.bus == LOCAL_BUS:
        return LocalStorage(settings, metrics)
    try:
        from cloud_analytics.journal.jetstream.backing import StreamStorage
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "nats":
            raise
        raise BusUnusable("--bus nats://... needs the nats extra: pip install '.[nats]' in the checkout") from error
    return StreamStorage(settings, metrics)


async def _within(seconds: float, work: Awaitable[None]) -> None:
    """The work, or as much of it as the time allows."""
    with suppress(TimeoutError):
        await asyncio.wait_for(work, max(0.05, seconds))
