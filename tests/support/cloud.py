"""The cloud's parts without its servers: a real journal on disk or a real NATS, a real bundle, real threads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from prometheus_client import CollectorRegistry

from cloud_analytics.analysis.analysis import Analysis
from cloud_analytics.analysis.catalogue import Catalogue
from cloud_analytics.decoding.decoder import Decoder
from cloud_analytics.journal.backing import Neighbours, Storage
from cloud_analytics.journal.frame_log import Arrival, FrameLog
from cloud_analytics.journal.jetstream.backing import StreamStorage
from cloud_analytics.journal.local.backing import LocalStorage
from cloud_analytics.journal.local.sqlite_journal import Journal
from cloud_analytics.journal.wish_store import WishStore
from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.pipeline import Pipeline
from cloud_analytics.results.bus import ResultBus
from cloud_analytics.results.cache import ResultCache
from cloud_analytics.settings import LOCAL_BUS, CloudSettings
from cloud_analytics.subscribers.subscription import Outlets
from cloud_analytics.subscribers.subscriptions import Subscriptions
from cloud_analytics.uplink.edges import Uplinks
from cloud_analytics.wishes import Wishes
from shared.contract.packets import Packet


def metrics() -> CloudMetrics:
    return CloudMetrics(CollectorRegistry())


def value(of: CloudMetrics, name: str, **labels: str) -> float:
    """A sample's value; 0 where there is none yet."""
    return of.registry.get_sample_value(name, labels) or 0.0


def catalogue_of(models: Path, of: CloudMetrics, most_batch: int = 4) -> Catalogue:
    return Catalogue(models, lambda bundle: Decoder(bundle, threads=1), most_batch, of)


@dataclass(frozen=True, eq=False)
class CloudParts:
    """See the service for how they hang together."""

    backing: Storage
    catalogue: Catalogue
    analysis: Analysis
    recent: ResultCache
    bus: ResultBus
    wishes: Wishes
    uplinks: Uplinks
    pipeline: Pipeline
    subscriptions: Subscriptions
    metrics: CloudMetrics

    @property
    def frames(self) -> FrameLog:
        return self.backing.frames

    @property
    def store(self) -> WishStore:
        return self.backing.wish_store

    @property
    def journal(self) -> Journal:
        """Of a cloud that is alone."""
        assert isinstance(self.backing, LocalStorage)
        return self.backing.journal

    async def send(self, packets: list[Packet], digest: bytes) -> None:
        """From an edge, all the way to the bus."""
        await self.pipeline.published(await self.pipeline.receive(Arrival(tuple(packets), digest, "edge")))

    def value(self, name: str, **labels: str) -> float:
        return value(self.metrics, name, **labels)


def settings(**given: Any) -> CloudSettings:
    """The defaults, and what is given."""
    defaults = {name: field.get_default() for name, field in CloudSettings.model_fields.items()}
    return CloudSettings.model_construct(**{**defaults, **given})


@asynccontextmanager
async def cloud_parts(
    models: Path,
    data: Path,
    *,
    bus: str = LOCAL_BUS,
    queue_frames: int = 64,
    most_subscribers: int = 8,
    recent_bytes: int = 1 << 26,
    journal_bytes: int = 1 << 26,
    age_seconds: float = 1e6,
) -> AsyncIterator[CloudParts]:
    """models: a folder of bundles. bus: as in `CloudSettings`."""
    counted = metrics()
    catalogue = catalogue_of(models, counted)
    catalogue.scan()
    given = settings(data=data, bus=bus, journal_bytes=journal_bytes, journal_age_seconds=age_seconds)
    backing: Storage = LocalStorage(given, counted) if bus == LOCAL_BUS else StreamStorage(given, counted)
    await backing.open()
    rendering = ThreadPoolExecutor(2)
    analysis = Analysis(catalogue, 2, 4, 0.002, counted)
    recent = ResultCache(analysis, catalogue, rendering, recent_bytes, counted)
    local = ResultBus(backing.frames, recent, queue_frames, counted)
    wishes = Wishes(backing.wish_store, most_subscribers, counted)
    uplinks = Uplinks(4, counted, replicas=backing.replicas)
    pipeline = Pipeline(backing.frames, analysis, local, wishes, 16, counted)
    outlets = Outlets(local, recent, wishes, counted)
    subscriptions = Subscriptions(catalogue, backing.frames, uplinks, outlets, most_subscribers)
    await wishes.start()
    pipeline.start()
    backing.join(
        Neighbours(wishes.put_others, lambda: uplinks.own_senders, subscriptions.taken, lambda: local.published)
    )
    try:
        yield CloudParts(backing, catalogue, analysis, recent, local, wishes, uplinks, pipeline, subscriptions, counted)
    finally:
        await pipeline.close()
        await analysis.close()
        await wishes.close()
        rendering.shutdown()
        await backing.leave()
        await backing.close()
