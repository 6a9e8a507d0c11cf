"""The parts of the cloud service, and how they hang together.

    CloudSettings --build--> Parts --servers_of--> Servers

    Pipeline --> ResultBus --> Subscriptions        in one process
    UplinkService --> Pipeline        Subscriptions --> ResultsService, wall        at its two ports

The service and its tests build the same parts, so that a test meets what runs.
Law: nothing listens before `servers_of`, and nothing works before `Parts.start`.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import Executor, ThreadPoolExecutor
from dataclasses import dataclass

from prometheus_client import CollectorRegistry

from cloud_analytics.analysis.analysis import Analysis
from cloud_analytics.analysis.catalogue import Catalogue
from cloud_analytics.decoding.decoder import Decoder
from cloud_analytics.journal.local.storage import LocalStorage
from cloud_analytics.journal.storage import Neighbours, Storage
from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.pipeline import Pipeline
from cloud_analytics.readiness import Readiness
from cloud_analytics.results.bus import ResultBus
from cloud_analytics.results.cache import ResultCache
from cloud_analytics.settings import LOCAL_BUS, CloudSettings
from cloud_analytics.subscribers.server import NAME as RESULTS
from cloud_analytics.subscribers.server import ResultsService
from cloud_analytics.subscribers.subscriptions import Subscriptions
from cloud_analytics.uplink.edges import Uplinks
from cloud_analytics.uplink.server import NAME as UPLINK
from cloud_analytics.uplink.server import UplinkParts, UplinkService
from cloud_analytics.wall import WALL_OPEN_PATHS, WallMetrics, add_wall
from cloud_analytics.wishes import Wishes
from shared.errors import BusUnusable
from shared.model.bundle import Bundle
from shared.model.execution_providers import choose_providers, provider_names
from shared.server.access.interceptors import TokenInterceptor
from shared.server.connections.http_limit import HttpConnectionLimit
from shared.server.grpc_server import MessageSizes, RpcServer
from shared.server.http_server import WebServer, web_app
from shared.server.security import ServerSecurity, server_security
from shared.telemetry.logs import logger
from shared.wire.results_pb2_grpc import add_ResultsServiceServicer_to_server
from shared.wire.uplink_pb2_grpc import add_UplinkServiceServicer_to_server

log = logger("cloud")
CALLS_BESIDE_STREAMS = 100
"""The short calls that may run beside the streams of all edges and subscribers."""
LARGEST_REQUEST_BYTES = 1 << 20
"""The largest message that edges and subscribers may send: 64 coded frames, or a wish with 10,000 cameras."""


@dataclass(frozen=True, eq=False)
class Parts:
    """The parts of one cloud process, without its servers. They belong to the event loop in which they were built."""

    settings: CloudSettings
    metrics: CloudMetrics
    security: ServerSecurity
    readiness: Readiness
    catalogue: Catalogue
    storage: Storage
    rendering: Executor
    analysis: Analysis
    cache: ResultCache
    bus: ResultBus
    wishes: Wishes
    uplinks: Uplinks
    pipeline: Pipeline
    subscriptions: Subscriptions

    async def start(self) -> None:
        """Begin to work, and to share with the other replicas."""
        await self.wishes.start()
        self.pipeline.start()
        self.storage.join(
            Neighbours(
                put_others=self.wishes.put_others,
                own_senders=lambda: self.uplinks.own_senders,
                taken=self.subscriptions.taken,
                published=lambda: self.bus.published,
            )
        )

    async def close(self) -> None:
        """End all work; what is not published yet stays in the frame log."""
        await self.pipeline.close()
        await self.analysis.close()
        await self.wishes.close()
        await asyncio.to_thread(self.rendering.shutdown)
        # Last, since all others write to it.
        await self.storage.close()


@dataclass(frozen=True, eq=False)
class Servers:
    """The two servers of one cloud process."""

    rpc: RpcServer
    web: WebServer


async def build(settings: CloudSettings) -> Parts:
    """Open the storage, and build all parts around it. Raises SettingsRefused, FolderError, or BusUnusable."""
    metrics = CloudMetrics(CollectorRegistry(), settings.most_measured_cameras, settings.camera_series_seconds)
    metrics.journal_limit.set(settings.journal_bytes)
    security = server_security(settings, {"http": settings.http, "rpc": settings.rpc}, metrics.meters)
    storage = _storage(settings, metrics)
    try:
        await storage.open()
        return _around(storage, settings, metrics, security)
    except BaseException:
        await storage.close()
        raise


def servers_of(parts: Parts) -> Servers:
    """Build the servers of these parts; they do not listen yet."""
    return Servers(_rpc_server(parts), _web_server(parts))


def _around(storage: Storage, settings: CloudSettings, metrics: CloudMetrics, security: ServerSecurity) -> Parts:
    readiness = Readiness(metrics)
    catalogue = Catalogue(
        settings.bundles.expanduser(), lambda bundle: _decoder(settings, bundle), settings.most_batch, metrics
    )
    analysis = Analysis(catalogue, settings, metrics)
    rendering = ThreadPoolExecutor(settings.decode_threads, "render")
    cache = ResultCache(analysis, catalogue, rendering, settings.recent_bytes, metrics)
    bus = ResultBus(storage.frames, cache, settings.subscriber_queue_frames, metrics)
    wishes = Wishes(storage.wish_store, settings.most_subscribers, metrics)
    uplinks = Uplinks(settings.most_uplinks, metrics, replicas=storage.replicas)
    pipeline = Pipeline(storage.frames, analysis, bus, wishes, settings.receive_queue_frames, metrics)
    subscriptions = Subscriptions(catalogue, uplinks, bus, wishes, settings.most_subscribers)
    return Parts(
        settings,
        metrics,
        security,
        readiness,
        catalogue,
        storage,
        rendering,
        analysis,
        cache,
        bus,
        wishes,
        uplinks,
        pipeline,
        subscriptions,
    )


def _storage(settings: CloudSettings, metrics: CloudMetrics) -> Storage:
    """Return the storage that the settings name. Raises BusUnusable where the package for a shared one is missing."""
    if settings.bus == LOCAL_BUS:
        return LocalStorage(settings, metrics)
    try:
        # Only here: a cloud that is alone does not need the package `nats`.
        from cloud_analytics.journal.jetstream.storage import StreamStorage
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] != "nats":
            raise
        raise BusUnusable("--bus nats://... needs the nats extra: pip install '.[nats]' in the checkout") from error
    return StreamStorage(settings, metrics)


def _decoder(settings: CloudSettings, bundle: Bundle) -> Decoder:
    providers = choose_providers(settings.providers, settings.engine_cache, bundle)
    log.info("networks open", bundle=bundle.id, providers=provider_names(providers))
    return Decoder(bundle, providers, settings.threads)


def _rpc_server(parts: Parts) -> RpcServer:
    settings, access = parts.settings, parts.security.access
    server = RpcServer(
        settings.rpc,
        MessageSizes(LARGEST_REQUEST_BYTES, settings.largest_message_bytes),
        settings.most_uplinks + settings.most_subscribers + CALLS_BESIDE_STREAMS,
        parts.security.tls,
        [TokenInterceptor(access)],
        settings.rpc_connections,
    )
    of_uplinks = UplinkParts(parts.catalogue, parts.pipeline, parts.uplinks, parts.wishes, settings, parts.metrics)
    uplink = UplinkService(of_uplinks, parts.readiness, access)
    results = ResultsService(parts.subscriptions, parts.readiness, settings.largest_message_bytes, access)
    server.add(add_UplinkServiceServicer_to_server, uplink, UPLINK)
    server.add(add_ResultsServiceServicer_to_server, results, RESULTS)
    return server


def _web_server(parts: Parts) -> WebServer:
    settings, metrics, access = parts.settings, parts.metrics, parts.security.access
    app = web_app(
        "taxon cloud",
        CloudSettings.__doc__ or "",
        lambda: parts.readiness.waits_for,
        metrics.registry,
        access,
        WALL_OPEN_PATHS,
        settings.web_terms,
    )
    add_wall(app, parts.subscriptions, metrics=WallMetrics(metrics.meters), access=access)
    dropped = metrics.connections_dropped
    connection_limit = HttpConnectionLimit(settings.http_connections, lambda reason: dropped.labels(reason).inc())
    return WebServer(app, settings.http, tls=parts.security.tls, limit=connection_limit)
