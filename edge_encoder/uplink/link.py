"""The link to the cloud: one stream at a time, opened again whenever it breaks.

    run: Hello -> Welcome -> UplinkStream.carry -> ... broken -> back-off (jittered, 0.2 to 10 s) -> Hello

Of a cloud with several addresses, its replicas, each attempt goes to the next one. A stream is for one bundle; frames of
the spool that were coded with another one get the next. Law: after a break everything that has no ack is sent again, and
a cloud that refuses this edge is asked again, slowly, and said so.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection
from contextlib import suppress
from importlib.metadata import version

import grpc

from edge_encoder.control.backpressure import Backpressure
from edge_encoder.metrics.service import EdgeMetrics
from edge_encoder.spool.spool import Spool
from edge_encoder.uplink.stream import Call, UplinkStream, Wanted
from shared.contract.uplink_stream import PROTOCOL_VERSION
from shared.errors import BundleMismatch, ProtocolMismatch, RequestError, SettingsRefused
from shared.telemetry.logs import Throttle, logger
from shared.transport.addresses import Targets
from shared.transport.credentials import NO_CREDENTIALS, Credentials
from shared.transport.grpc_channels import channel_options
from shared.transport.status_codes import reason_of, status_of
from shared.wire import uplink_pb2, uplink_pb2_grpc

WELCOME_SECONDS = 10.0
FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 10.0
MOST_FRUITLESS = 5
"""Streams in a row that brought no acknowledgement and make the next wait longer: up to 3.2 s, for the link may be what breaks."""
LARGEST_MESSAGE_BYTES = 64 << 20

REFUSALS = ("BUNDLE_MISMATCH", "PROTOCOL_MISMATCH", "UNAUTHENTICATED", "PERMISSION_DENIED")
"""What only a person can put right."""

log = logger("edge.uplink")


class Uplink:
    """target: the cloud's address, or those of its replicas with commas. bundle_digest: of the bundle that codes now.

    cameras: those that the cloud is told of. credentials: read again for each stream.
    """

    def __init__(
        self,
        target: str,
        edge_id: str,
        bundle_digest: bytes,
        spool: Spool,
        metrics: EdgeMetrics,
        interval_seconds: float,
        wanted: Wanted,
        flow: Backpressure,
        jitter: Callable[[float, float], float] = random.uniform,
        cameras: Callable[[], Collection[str]] = tuple,
        credentials: Credentials = NO_CREDENTIALS,
    ) -> None:
        self._targets = Targets(target, edge_id)
        self._edge_id = edge_id
        self._digest = bundle_digest
        self._spool = spool
        self._metrics = metrics
        self._interval_seconds = interval_seconds
        self._wanted = wanted
        self._flow = flow
        self._cameras = cameras
        self._credentials = credentials
        self._jitter = jitter
        self._spooled = asyncio.Event()
        self._stopping = asyncio.Event()
        self._stream: UplinkStream | None = None
        self._failures = 0
        self._fruitless = 0
        self._throttle = Throttle(60.0)
        metrics.connected.set(0)

    def notify(self) -> None:
        """There is something new in the spool, or a new camera."""
        self._spooled.set()

    def finish(self) -> None:
        """Lets `run` end: at once where there is no connection, else when everything is acknowledged."""
        self._stopping.set()
        if self._stream is not None:
            self._stream.finish()

    async def run(self) -> None:
        """Keeps the link until `finish` (or until it is cancelled)."""
        while True:
            failed = await self._once()
            if self._stopping.is_set() and (failed is not None or not await self._another_bundle_waits()):
                return
            if failed is None:
                continue
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stopping.wait(), self._back_off(failed))

    async def _once(self) -> str | None:
        """One stream, from Hello to its end; why it broke, None where it ended well."""
        digest = await self._next_digest()
        try:
            shown = await asyncio.to_thread(self._credentials.metadata)
            async with self._credentials.channel(
                self._targets.current, channel_options(LARGEST_MESSAGE_BYTES)
            ) as channel:
                call = uplink_pb2_grpc.UplinkServiceStub(channel).Connect(metadata=shown)
                try:
                    return await self._carried(call, digest)
                finally:
                    call.cancel()
        except grpc.aio.AioRpcError as error:
            return self._broken(reason_of(error), error.details() or "", digest)
        except RequestError as error:
            return self._broken(status_of(error).reason, str(error), digest)
        except SettingsRefused as error:
            # A file that is being renewed; the next attempt reads it again.
            return self._broken("CREDENTIALS", str(error), digest)
        except TimeoutError:
            return self._broken("TIMEOUT", "the cloud does not answer", digest)
        except asyncio.InvalidStateError:
            return self._broken("BROKEN", "the stream has ended", digest)

    async def _carried(self, call: Call, digest: bytes) -> str | None:
        async with asyncio.timeout(WELCOME_SECONDS):
            welcome = await self._greeted(call, digest)
        self._metrics.connects.inc()
        self._metrics.connected.set(1)
        for reason in REFUSALS:
            self._metrics.refused.labels(reason).set(0)
        log.info("connected", cloud=self._targets.current, bundle=digest.hex(), spooled=self._spool.frames)
        self._stream = UplinkStream(
            call,
            self._spool,
            self._metrics,
            digest,
            self._interval_seconds,
            self._spooled,
            self._wanted,
            self._flow,
            self._cameras,
        )
        if self._stopping.is_set():
            self._stream.finish()
        begun = time.monotonic()
        try:
            if await self._stream.carry(welcome):
                return None
        finally:
            # A cloud that welcomes and then takes nothing (its disk is full) is asked again a little later each time.
            fruitful = self._stream.has_acks or time.monotonic() - begun >= LONGEST_WAIT_SECONDS
            self._fruitless = 0 if fruitful else min(self._fruitless + 1, MOST_FRUITLESS)
            self._failures = max(0, self._fruitless - 1)
            self._stream = None
            self._metrics.connected.set(0)
            self._metrics.credit.set(0)
        return self._broken("ENDED", "the cloud has ended the stream", digest)

    async def _greeted(self, call: Call, digest: bytes) -> uplink_pb2.ConnectResponse:
        hello = uplink_pb2.Hello(
            protocol_version=PROTOCOL_VERSION,
            bundle_digest=digest,
            edge_id=self._edge_id,
            software_version=version("taxon"),
        )
        # Where the call is over already, reading says why.
        with suppress(asyncio.InvalidStateError):
            await call.write(uplink_pb2.ConnectRequest(hello=hello))
        response = await call.read()
        if not isinstance(response, uplink_pb2.ConnectResponse) or not response.HasField("welcome"):
            raise ProtocolMismatch(0, PROTOCOL_VERSION)
        if response.welcome.protocol_version != PROTOCOL_VERSION:
            raise ProtocolMismatch(response.welcome.protocol_version, PROTOCOL_VERSION)
        if response.welcome.bundle_digest != digest:
            raise BundleMismatch(digest, [response.welcome.bundle_digest])
        return response

    async def _next_digest(self) -> bytes:
        first = await asyncio.to_thread(self._spool.read_after, 0, 1)
        return first[0].bundle_digest if first else self._digest

    async def _another_bundle_waits(self) -> bool:
        return bool(await asyncio.to_thread(self._spool.read_after, 0, 1))

    def _broken(self, reason: str, detail: str, digest: bytes) -> str:
        self._metrics.breaks.inc()
        for refusal in REFUSALS:
            self._metrics.refused.labels(refusal).set(int(refusal == reason))
        if reason in REFUSALS:
            log.error(
                "the cloud refuses this edge",
                reason=reason,
                cloud=self._targets.current,
                bundle=digest.hex(),
                detail=detail,
            )
        elif self._failures == 0 or self._throttle.due():
            log.warning("no link to the cloud", reason=reason, cloud=self._targets.current, detail=detail)
        self._targets.next()
        return reason

    def _back_off(self, reason: str) -> float:
        """Seconds until the next attempt."""
        rounds = self._failures // len(self._targets)
        longest = LONGEST_WAIT_SECONDS if reason in REFUSALS else FIRST_WAIT_SECONDS * 2.0 ** min(rounds, 10)
        self._failures += 1
        return self._jitter(0.5, 1.0) * min(longest, LONGEST_WAIT_SECONDS)
