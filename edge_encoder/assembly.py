"""Builds an edge from its settings: every part opened and connected, nothing of it running yet.

    settings --> metrics, security
    data folder --> Spool: edge id, last wish, receipts        bundle --> Encoder        settings, files --> PlanBook
    all of them --> Admission --FrameQueue--> Pipeline --Spool--> Uplink, and the servers in front

The service and the tests build an edge in the same way, with `build`.

Law: what cannot be built raises a TaxonError that says why, and leaves nothing open.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

from edge_encoder.cameras.book import PlanBook
from edge_encoder.cameras.file import CamerasFile
from edge_encoder.cameras.kept import KeptFile
from edge_encoder.cameras.plan import CameraPlan, QueuePolicy
from edge_encoder.cameras.rules import CameraRules
from edge_encoder.cameras.watch import FileWatch
from edge_encoder.control.backpressure import Backpressure
from edge_encoder.control.operating_points import OperatingPoints
from edge_encoder.control.wanted_groups import CurrentWish, kept_wish
from edge_encoder.encoding.encoder import Encoder
from edge_encoder.ingest.admission import Admission, PostLimits, RepeatedPosts
from edge_encoder.ingest.cameras import Cameras
from edge_encoder.ingest.departures import Departures
from edge_encoder.ingest.grpc_service import NAME, IngestService
from edge_encoder.ingest.http import edge_app
from edge_encoder.ingest.http_previews import add_previews
from edge_encoder.ingest.management import Management
from edge_encoder.ingest.players import Players
from edge_encoder.ingest.previews import Previews
from edge_encoder.ingest.sources import SourcePlay, SourcePlayer
from edge_encoder.metrics.cameras import CameraTerms
from edge_encoder.metrics.service import EdgeMetrics
from edge_encoder.pipeline.frame_queue import FrameQueue
from edge_encoder.pipeline.pipeline import Batches, Pipeline
from edge_encoder.settings import EdgeSettings, SourceSetting
from edge_encoder.spool.spool import Spool
from edge_encoder.uplink.link import LinkTerms, Uplink
from edge_encoder.uplink.stream import UplinkNeighbours
from shared.errors import SettingsRefused
from shared.model.bundle import Bundle
from shared.model.execution_providers import choose_providers, provider_names
from shared.server.access.interceptors import TokenInterceptor
from shared.server.connections.http_limit import HttpConnectionLimit
from shared.server.grpc_server import MessageSizes, RpcServer
from shared.server.http_server import WebServer
from shared.server.security import ServerSecurity, server_security
from shared.telemetry.logs import logger
from shared.transport.addresses import is_loopback
from shared.wire import ingest_pb2_grpc, uplink_pb2

LARGEST_RPC_OVERHEAD_BYTES = 4096
LARGEST_ANSWER_BYTES = 1 << 20
CLOSE_SECONDS = 0.5

log = logger("edge")


@dataclass(frozen=True, eq=False)
class EdgeParts:
    """The parts of one edge, in the order of a frame's way."""

    metrics: EdgeMetrics
    security: ServerSecurity
    bundle: Bundle
    web: WebServer
    rpc: RpcServer
    book: PlanBook
    file_watch: FileWatch
    players: Players
    departures: Departures
    admission: Admission
    wish: CurrentWish
    queue: FrameQueue
    backpressure: Backpressure
    pipeline: Pipeline
    spool: Spool
    uplink: Uplink

    async def listen(self) -> None:
        """Let the servers listen; they refuse frames until the admission opens. Raises AddressInUse."""
        await self.rpc.start()
        await self.web.start()

    async def close(self) -> None:
        """Close the servers, the threads and the spool; may be called again."""
        await self.rpc.stop(CLOSE_SECONDS)
        await self.web.stop(CLOSE_SECONDS)
        await asyncio.to_thread(self.pipeline.close)
        await asyncio.to_thread(self.spool.close)


@dataclass(frozen=True)
class _Recalled:
    """The traces of an earlier run of this edge in its data folder, frames apart."""

    book: PlanBook
    file: CamerasFile
    edge_id: str
    wish: uplink_pb2.Wanted
    repeats: RepeatedPosts


async def build(settings: EdgeSettings, bundle_directory: Path) -> EdgeParts:
    """Return the connected parts of an edge, of which nothing listens or runs yet.

    Raises SettingsRefused, FolderError, BundleError, ProviderMissing, or UnknownName.
    """
    _check_way_to_cloud(settings)
    async with AsyncExitStack() as undo:
        # The disk and the networks block for seconds, so they are opened in threads: a signal is heard meanwhile.
        spool = await asyncio.to_thread(_open_spool, settings)
        undo.push_async_callback(asyncio.to_thread, spool.close)
        bundle = await asyncio.to_thread(Bundle.load, bundle_directory)
        recalled = await asyncio.to_thread(_recall, settings, spool, lambda plan: _check_plan(plan, bundle))
        rules = CameraRules(recalled.book, settings.camera_defaults)
        terms = CameraTerms(recalled.book.most, settings.camera_series_seconds, rules.budget_of, rules.is_paused)
        metrics = EdgeMetrics(terms)
        addresses = {"http": settings.http, "rpc": settings.rpc}
        security = server_security(settings, addresses, metrics.meters, settings.cloud_credentials)
        encoder = await asyncio.to_thread(_open_encoder, settings, bundle)
        parts = _connect(settings, metrics, security, spool, recalled, encoder, rules)
        _show(settings, parts)
        undo.pop_all()
    return parts


def _check_way_to_cloud(settings: EdgeSettings) -> None:
    """Raise SettingsRefused for credentials that cannot be used, or for a cloud elsewhere that is spoken to in plain text."""
    settings.cloud_credentials.metadata()
    elsewhere = [target for target in settings.cloud.split(",") if not is_loopback(target)]
    if elsewhere and settings.cloud_ca is None:
        if not settings.insecure:
            raise SettingsRefused(
                f"--cloud {elsewhere[0]} is another machine: give --cloud-ca, or say --insecure where the network can be trusted"
            )
        log.warning("coded frames go to another machine in plain text", cloud=elsewhere)


def _open_spool(settings: EdgeSettings) -> Spool:
    return Spool(settings.data, settings.spool_bytes, settings.spool_age_seconds, settings.spool_sync)


def _recall(settings: EdgeSettings, spool: Spool, check: Callable[[CameraPlan], None]) -> _Recalled:
    """Return what an earlier run has left in the data folder, which the spool has locked."""
    edge_id = settings.edge_id or spool.edge_id(f"edge-{secrets.token_hex(4)}")
    most = max(settings.most_cameras, len(settings.named_cameras))
    plans = settings.plans
    file = CamerasFile(settings.config, settings.cameras_file, [plan.camera_id for plan in plans], check)
    book = PlanBook(plans, file.read(), most, KeptFile(settings.data), settings.cameras)
    return _Recalled(book, file, edge_id, kept_wish(spool.wish()), RepeatedPosts(spool.receipts()))


def _open_encoder(settings: EdgeSettings, bundle: Bundle) -> Encoder:
    providers = choose_providers(settings.providers, settings.engine_cache, bundle)
    log.info("networks open", bundle=bundle.id, providers=provider_names(providers), threads=settings.threads)
    return Encoder(bundle, providers, settings.threads)


def _connect(
    settings: EdgeSettings,
    metrics: EdgeMetrics,
    security: ServerSecurity,
    spool: Spool,
    recalled: _Recalled,
    encoder: Encoder,
    rules: CameraRules,
) -> EdgeParts:
    bundle, book = encoder.bundle, recalled.book
    wish = CurrentWish([group.name for group in bundle.manifest.groups], settings.pinned_groups)
    wish.replace(recalled.wish)
    points = OperatingPoints(bundle, settings.rate, rules.budget_of, rate_of=rules.rate_of)
    backpressure = Backpressure()
    queue = FrameQueue(rules.policy_of, settings.queue_depth, settings.queue_bytes)
    cameras = Cameras(settings.cameras, settings.most_cameras, metrics, rules)
    limits = PostLimits(settings.largest_picture_bytes, settings.queue_bytes, settings.post_deadline_seconds)
    admission = Admission(cameras, queue, wish, recalled.repeats, metrics, limits)
    terms = LinkTerms(
        settings.cloud, recalled.edge_id, bundle.digest, settings.uplink_interval_seconds, settings.cloud_credentials
    )
    uplink = Uplink(terms, UplinkNeighbours(spool, metrics, wish, backpressure, lambda: cameras.names))
    # The cloud learns of a camera with its first post, so that it can be asked for before anything of it is coded.
    cameras.on_new(uplink.notify)
    book.on_change(metrics.cameras.replanned)
    book.on_change(lambda _: uplink.notify())
    batches = Batches(queue, backpressure, settings.most_batch, rules.view_of)
    pipeline = Pipeline(encoder, batches, points, spool, metrics, uplink.notify)

    departures = Departures(book, admission, points, spool)
    management = Management(book, cameras, departures, lambda plan: _check_plan(plan, bundle))

    def player(setting: SourceSetting, policy: QueuePolicy) -> SourcePlayer:
        # What a watched folder has given is remembered beside the spool.
        play = SourcePlay(settings.source_loop, settings.data / "watched", settings.most_open_with(policy))
        return SourcePlayer(setting, play, admission, metrics)

    return EdgeParts(
        metrics=metrics,
        security=security,
        bundle=bundle,
        web=_web_server(
            settings, metrics, security, admission, management, Previews(bundle.manifest.input, rules.view_of)
        ),
        rpc=_rpc_server(settings, security, admission),
        book=book,
        file_watch=FileWatch(recalled.file, book, metrics.show_file_refused),
        players=Players(book, rules, player),
        departures=departures,
        admission=admission,
        wish=wish,
        queue=queue,
        backpressure=backpressure,
        pipeline=pipeline,
        spool=spool,
        uplink=uplink,
    )


def _check_plan(plan: CameraPlan, bundle: Bundle) -> None:
    """Raise UnknownName for an operating point that the bundle does not have."""
    if plan.rate is not None:
        bundle.operating_point(plan.rate)


def _show(settings: EdgeSettings, parts: EdgeParts) -> None:
    """Show the parts in the metrics, which read them whenever they are scraped."""
    metrics, queue = parts.metrics, parts.queue
    metrics.describe(parts.bundle)
    metrics.show_bounds(settings.queue_bytes, settings.spool_bytes, settings.spool_age_seconds)
    rules = parts.admission.cameras.rules
    metrics.watch_backpressure(lambda: parts.backpressure.is_behind and rules.may_hold_back)
    metrics.watch_queue(lambda: queue.frames, lambda: queue.bytes)
    metrics.watch_ready(lambda: parts.admission.waits_for is None)


def _web_server(
    settings: EdgeSettings,
    metrics: EdgeMetrics,
    security: ServerSecurity,
    admission: Admission,
    management: Management,
    previews: Previews,
) -> WebServer:
    app = edge_app(admission, management, metrics.registry, security.access, settings.web_terms)
    add_previews(app, previews, admission, _previews_off(settings, security))
    dropped = metrics.connections_dropped
    limit = HttpConnectionLimit(settings.http_connections, lambda reason: dropped.labels(reason).inc())
    return WebServer(app, settings.http, tls=security.tls, limit=limit)


def _previews_off(settings: EdgeSettings, security: ServerSecurity) -> str | None:
    """Return why this edge gives no previews, None where it does."""
    if not settings.previews:
        return "this edge gives no previews; its operator can allow them with --previews"
    if not security.access.asks and not is_loopback(settings.http):
        return "this edge asks for no tokens, and other machines reach it: give it --tokens, and a token with the scope manage"
    return None


def _rpc_server(settings: EdgeSettings, security: ServerSecurity, admission: Admission) -> RpcServer:
    access = security.access
    server = RpcServer(
        settings.rpc,
        MessageSizes(settings.largest_picture_bytes + LARGEST_RPC_OVERHEAD_BYTES, LARGEST_ANSWER_BYTES),
        settings.most_calls,
        security.tls,
        [TokenInterceptor(access)],
        settings.rpc_connections,
    )
    rules = admission.cameras.rules
    service = IngestService(admission, lambda name: settings.most_open_with(rules.policy_of(name)), access)
    server.add(ingest_pb2_grpc.add_IngestServiceServicer_to_server, service, NAME)
    return server
