"""The storage of a cloud that has replicas; docs/scaling.md tells how they share it.

    Link --> StreamLog: frames, CameraBook: cameras, SharedWishStore: wishes, Members: who lives

Law: each replica has a new id at every start, so that nobody takes it for the one that was there before.
"""

from __future__ import annotations

import asyncio
import secrets
import socket

from nats.js.api import StorageType
from nats.js.errors import BadRequestError, BucketNotFoundError
from nats.js.kv import KeyValue
from typing_extensions import override

from cloud_analytics.journal.jetstream.cameras import CameraBook
from cloud_analytics.journal.jetstream.link import Link, NatsTrouble
from cloud_analytics.journal.jetstream.members import Members
from cloud_analytics.journal.jetstream.names import Names
from cloud_analytics.journal.jetstream.reader import Gone
from cloud_analytics.journal.jetstream.stream_log import StreamLog
from cloud_analytics.journal.jetstream.tail import Tail
from cloud_analytics.journal.jetstream.wish_store import TTL_SECONDS, SharedWishStore
from cloud_analytics.journal.storage import Neighbours, Storage
from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.settings import MEBIBYTE, CloudSettings
from shared.errors import BusUnusable
from shared.server.supervisor import Supervisor
from shared.telemetry.logs import logger

BUCKET_BYTES = 64 * MEBIBYTE
ATTEMPTS = 10
AGAIN_SECONDS = 1.0

log = logger("cloud.bus")


class StreamStorage(Storage):
    """Streams and buckets of a NATS with JetStream, which all replicas share."""

    def __init__(self, settings: CloudSettings, metrics: CloudMetrics) -> None:
        self.supervisor = Supervisor()
        self._settings = settings
        self._metrics = metrics
        self._replica_id = f"{socket.gethostname()[:40]}-{secrets.token_hex(4)}"
        self._link = Link(settings.bus.split(","), f"taxon cloud {self._replica_id}", metrics)
        self._is_open = False

    @property
    @override
    def away_seconds(self) -> float:
        return self._link.away_seconds

    @override
    async def open(self) -> None:
        """Connect, and make the streams and buckets that are missing. Raises BusUnusable."""
        await self._link.open()
        for attempt in range(1, ATTEMPTS + 1):
            try:
                await self._open()
                log.info("replica joined the bus", replica=self._replica_id, bus=self._settings.bus_name)
                return
            except (Gone, *NatsTrouble) as error:
                # Servers of a cluster that have just started answer so for a while.
                if attempt == ATTEMPTS:
                    raise BusUnusable(
                        f"JetStream does not answer as it should ({error!r}); does NATS run with it, "
                        "and does it have room for --journal-bytes?"
                    ) from error
                await asyncio.sleep(AGAIN_SECONDS)

    @override
    def join(self, neighbours: Neighbours) -> None:
        self._members.start(neighbours.published, self.supervisor)
        self._book.start(neighbours.own_senders, self.supervisor)
        self._wishes.start(neighbours, self.supervisor)

    @override
    async def close(self) -> None:
        await self.supervisor.stop()
        if self._is_open:
            self._is_open = False
            for part in (self._wishes, self._book, self._frames, self._members):
                await part.close()
        await self._link.close()

    async def _open(self) -> None:
        settings, link, names = self._settings, self._link, Names(self._settings.bus_name)
        cameras = await self._bucket(names.cameras, None)
        wishes = await self._bucket(names.wishes, TTL_SECONDS)
        window = settings.receive_queue_frames
        self._members = Members(link, names.alive, self._replica_id, window, self._metrics)
        self._book = CameraBook(cameras, Tail(link, f"KV_{names.cameras}", 0), self._members)
        self._wishes = SharedWishStore(link, wishes, Tail(link, f"KV_{names.wishes}", 0), self._members)
        self._frames = StreamLog(link, names, settings, self._members, self._book, self._metrics)
        for part in (self._book, self._wishes, self._frames):
            await part.open()
        self.frames, self.wish_store, self.replicas = self._frames, self._wishes, self._book
        self._is_open = True

    async def _bucket(self, name: str, ttl_seconds: float | None) -> KeyValue:
        """Return a bucket, and make it where there is none.

        ttl_seconds: an entry older than this vanishes; None keeps all.
        """
        js = self._link.js
        try:
            return await js.key_value(name)
        except BucketNotFoundError:
            try:
                return await js.create_key_value(
                    bucket=name,
                    ttl=ttl_seconds,
                    max_bytes=BUCKET_BYTES,
                    storage=StorageType.FILE,
                    replicas=self._settings.bus_copies,
                )
            except BadRequestError:
                # Another replica has made it in this moment.
                return await js.key_value(name)
