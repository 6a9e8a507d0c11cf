"""The cloud's parts without its servers: a journal on disk or a NATS, a bundle and threads, all of them real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from prometheus_client import CollectorRegistry

from cloud_analytics.analysis.catalogue import Catalogue
from cloud_analytics.assembly import Parts, build
from cloud_analytics.decoding.decoder import Decoder
from cloud_analytics.decoding.heads import results
from cloud_analytics.frames import DecodedFrame, LoggedFrame
from cloud_analytics.journal.frame_log import Arrival
from cloud_analytics.journal.local.sqlite_journal import Database, Journal
from cloud_analytics.journal.local.storage import LocalStorage
from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.settings import LOCAL_BUS, CloudSettings
from shared.contract.packets import Packet
from shared.model.bundle import Bundle


def metrics() -> CloudMetrics:
    return CloudMetrics(CollectorRegistry())


def value(of: CloudMetrics, name: str, **labels: str) -> float:
    """Return a sample's value; 0 where there is none yet."""
    return of.registry.get_sample_value(name, labels) or 0.0


def catalogue_of(models: Path, of: CloudMetrics, most_batch: int = 4) -> Catalogue:
    return Catalogue(models, lambda bundle: Decoder(bundle, threads=1), most_batch, of)


def logged(packet: Packet, digest: bytes, position: int = 1) -> LoggedFrame:
    return LoggedFrame(position, packet, digest, 1)


def assert_equal_to_alone(bundle: Bundle, decoded: DecodedFrame, tasks: Sequence[str]) -> None:
    assert not decoded.error
    assert set(decoded.values) == set(tasks)
    for one in results(Decoder(bundle, threads=1), [decoded.frame.packet.bitstream], tasks):
        expected, found = one.values[0], decoded.values[one.task.name]
        assert found.dtype == expected.dtype
        assert np.allclose(found, expected, atol=1e-5), one.task.name


@dataclass(frozen=True, eq=False)
class CloudParts(Parts):
    """The service's own parts, and what only tests do with them."""

    @property
    def journal(self) -> Journal:
        """The journal of a cloud that is alone."""
        assert isinstance(self.storage, LocalStorage)
        return self.storage.journal

    @property
    def database(self) -> Database:
        """The journal's database, of a cloud that is alone."""
        assert isinstance(self.storage, LocalStorage)
        assert self.storage.database is not None
        return self.storage.database

    async def send(self, packets: list[Packet], digest: bytes) -> None:
        """Send packets as an edge does, and return when their results are with the bus."""
        await self.pipeline.published(await self.pipeline.receive(Arrival(tuple(packets), digest, "edge")))

    async def analysed(self, frame: LoggedFrame, tasks: Sequence[str]) -> DecodedFrame:
        return await self.analysis.compute(self.analysis.parsed(frame), tasks)

    def value(self, name: str, **labels: str) -> float:
        return value(self.metrics, name, **labels)


SMALL: dict[str, Any] = {
    "journal_bytes": 1 << 26,
    "journal_age_seconds": 1e6,
    "most_batch": 4,
    "queue_delay_seconds": 0.002,
    "threads": 1,
    "receive_queue_frames": 16,
    "most_uplinks": 4,
    "most_subscribers": 8,
    "recent_bytes": 1 << 26,
}


def settings(**given: Any) -> CloudSettings:
    """Return the default settings, with those that are given."""
    defaults = {name: field.get_default() for name, field in CloudSettings.model_fields.items()}
    return CloudSettings.model_construct(**{**defaults, **given})


@asynccontextmanager
async def cloud_parts(models: Path, data: Path, bus: str = LOCAL_BUS, **given: Any) -> AsyncIterator[CloudParts]:
    """Start the parts of a small cloud. models: a folder of bundles. bus, given: as in `CloudSettings`."""
    built = await build(settings(**{**SMALL, "bundles": models, "data": data, "bus": bus, **given}))
    parts = CloudParts(**vars(built))
    try:
        parts.catalogue.scan()
        await parts.start()
        yield parts
    finally:
        await parts.close()
