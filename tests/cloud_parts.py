"""The cloud's parts without its servers: a real journal on disk, a real bundle, real threads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry

from cloud_analytics.analysis import Analysis
from cloud_analytics.bundles import Catalogue
from cloud_analytics.database import open_database
from cloud_analytics.decoder import Decoder
from cloud_analytics.frame_log import Arrival
from cloud_analytics.journal import Journal
from cloud_analytics.journal_log import JournalLog
from cloud_analytics.metrics import CloudMetrics
from cloud_analytics.pipeline import Pipeline
from cloud_analytics.results.local import LocalBus
from cloud_analytics.results.recent import Recent
from cloud_analytics.subscription import Outlets
from cloud_analytics.subscriptions import Subscriptions
from cloud_analytics.uplinks import Uplinks
from cloud_analytics.wish_store import DiskWishStore
from cloud_analytics.wishes import Wishes
from shared.packets import Packet


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

    journal: Journal
    catalogue: Catalogue
    analysis: Analysis
    recent: Recent
    bus: LocalBus
    wishes: Wishes
    store: DiskWishStore
    uplinks: Uplinks
    pipeline: Pipeline
    subscriptions: Subscriptions
    metrics: CloudMetrics

    async def send(self, packets: list[Packet], digest: bytes) -> None:
        """From an edge, all the way to the bus."""
        await self.pipeline.published(await self.pipeline.receive(Arrival(tuple(packets), digest, "edge")))

    def value(self, name: str, **labels: str) -> float:
        return value(self.metrics, name, **labels)


@asynccontextmanager
async def cloud_parts(
    models: Path,
    data: Path,
    *,
    queue_frames: int = 64,
    most_subscribers: int = 8,
    recent_bytes: int = 1 << 26,
    journal_bytes: int = 1 << 26,
    age_seconds: float = 1e6,
) -> AsyncIterator[CloudParts]:
    """models: a folder of bundles."""
    counted = metrics()
    catalogue = catalogue_of(models, counted)
    catalogue.scan()
    database = open_database(data)
    journal = Journal(database, journal_bytes, age_seconds)
    rendering = ThreadPoolExecutor(2)
    analysis = Analysis(catalogue, 2, 4, 0.002, counted)
    recent = Recent(analysis, catalogue, rendering, recent_bytes, counted)
    frames = JournalLog(journal)
    bus = LocalBus(frames, recent, queue_frames, counted)
    store = DiskWishStore(database)
    wishes = Wishes(store, most_subscribers, counted)
    uplinks = Uplinks(4, counted)
    pipeline = Pipeline(frames, analysis, bus, wishes, 16, counted)
    outlets = Outlets(bus, recent, wishes, counted)
    subscriptions = Subscriptions(catalogue, frames, uplinks, outlets, most_subscribers)
    await wishes.start()
    pipeline.start()
    try:
        yield CloudParts(
            journal, catalogue, analysis, recent, bus, wishes, store, uplinks, pipeline, subscriptions, counted
        )
    finally:
        await pipeline.close()
        await analysis.close()
        await wishes.close()
        rendering.shutdown()
        database.close()
