"""The link to the cloud: one stream at a time, opened again whenever it breaks.

    Hello -> Welcome -> UplinkStream.carry -> ... broken -> back-off (jittered, 0.2 to 10 s) -> Hello

A cloud may have several addresses, those of its replicas: each attempt goes to the next one. A stream carries frames of
one bundle, so frames of the spool that were coded with another bundle get the next stream.

Law: after a break, everything without an ack is sent again. A cloud that refuses this edge is asked again slowly,
and an error in the log says so.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version

import grpc

from edge_encoder.uplink.stream import Call, UplinkNeighbours, UplinkStream
from shared.contract.uplink_stream import PROTOCOL_VERSION
from shared.errors import BundleMismatch, ProtocolMismatch, RequestError, SettingsRefused
from shared.telemetry.logs import Throttle, logger
from shared.transport.addresses import Targets
from shared.transport.credentials import NO_CREDENTIALS, Credentials
from shared.transport.grpc_channels import channel_options
from shared.transport.proxies import proxy_note
from shared.transport.status_codes import reason_of, status_of
from shared.wire import uplink_pb2, uplink_pb2_grpc

WELCOME_SECONDS = 10.0
FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 10.0
MOST_FRUITLESS = 5
"""So many streams in a row without an acknowledgement make the next wait longer, up to 3.2 s: no more, because the line
may be what breaks them."""
WARNING_SECONDS = 60.0
LARGEST_MESSAGE_BYTES = 64 << 20

REFUSALS = ("BUNDLE_MISMATCH", "PROTOCOL_MISMATCH", "UNAUTHENTICATED", "PERMISSION_DENIED")
"""The reasons that only a person can put right."""

log = logger("edge.uplink")


@dataclass(frozen=True)
class LinkTerms:
    """The cloud that an edge sends to, and how the edge presents itself there.

    target: the cloud's address, or those of its replicas with commas. bundle_digest: the bundle that codes now.
    interval_seconds: the shortest time between two messages. credentials: read again for each stream.
    """

    target: str
    edge_id: str
    bundle_digest: bytes
    interval_seconds: float
    credentials: Credentials = NO_CREDENTIALS


class BackOff:
    """The waits between attempts at a stream. jitter: draws a number between two bounds."""

    def __init__(self, jitter: Callable[[float, float], float] = random.uniform) -> None:
        self._jitter = jitter
        self._failures = 0
        self._fruitless = 0

    @property
    def is_first(self) -> bool:
        """Return whether no wait was needed since the last stream that worked."""
        return self._failures == 0

    def note_stream(self, fruitful: bool) -> None:
        """Note the end of a stream that was welcomed. fruitful: it brought acknowledgements, or held for a while."""
        # A cloud that welcomes and then takes nothing (its disk is full) is asked a little later each time.
        self._fruitless = 0 if fruitful else min(self._fruitless + 1, MOST_FRUITLESS)
        self._failures = max(0, self._fruitless - 1)

    def seconds(self, reason: str, addresses: int = 1) -> float:
        """Return the wait until the next attempt. addresses: those of the cloud; all are tried before the wait grows."""
        rounds = self._failures // addresses
        longest = LONGEST_WAIT_SECONDS if reason in REFUSALS else FIRST_WAIT_SECONDS * 2.0 ** min(rounds, 10)
        self._failures += 1
        return self._jitter(0.5, 1.0) * min(longest, LONGEST_WAIT_SECONDS)


class Uplink:
    """Keeps a stream to the cloud open."""

    def __init__(self, terms: LinkTerms, neighbours: UplinkNeighbours, back_off: BackOff | None = None) -> None:
        self._terms = terms
        self._targets = Targets(terms.target, terms.edge_id)
        self._neighbours = neighbours
        self._spool = neighbours.spool
        self._metrics = neighbours.metrics
        self._back_off = back_off or BackOff()
        self._spooled = asyncio.Event()
        self._stopping = asyncio.Event()
        self._stream: UplinkStream | None = None
        self._throttle = Throttle(WARNING_SECONDS)
        self._metrics.connected.set(0)

    def notify(self) -> None:
        """Say that there is something new in the spool, or a new camera."""
        self._spooled.set()

    def finish(self) -> None:
        """Let `run` end: at once where there is no connection, otherwise when everything is acknowledged."""
        self._stopping.set()
        if self._stream is not None:
            self._stream.finish()

    async def run(self) -> None:
        """Keep the link until `finish`, or until cancelled."""
        while True:
            broken = await self._once()
            if self._stopping.is_set() and (broken is not None or not await self._first_digest()):
                return
            if broken is None:
                # The stream ended well, since the next frames are another bundle's: they go at once.
                continue
            with suppress(TimeoutError):
                wait_seconds = self._back_off.seconds(broken, len(self._targets))
                await asyncio.wait_for(self._stopping.wait(), wait_seconds)

    async def _once(self) -> str | None:
        """Open one stream and carry frames to its end; return why it broke, None where it ended well."""
        # Older frames go first, with the bundle that coded them.
        digest = await self._first_digest() or self._terms.bundle_digest
        credentials = self._terms.credentials
        try:
            metadata = await asyncio.to_thread(credentials.metadata)
            async with credentials.channel(self._targets.current, channel_options(LARGEST_MESSAGE_BYTES)) as channel:
                call = uplink_pb2_grpc.UplinkServiceStub(channel).Connect(metadata=metadata)
                try:
                    return await self._carry(call, digest)
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
            return self._broken("BROKEN", "the call had ended before it was used", digest)

    async def _carry(self, call: Call, digest: bytes) -> str | None:
        async with asyncio.timeout(WELCOME_SECONDS):
            welcome = await self._greet(call, digest)
        self._metrics.connects.inc()
        self._metrics.connected.set(1)
        for reason in REFUSALS:
            self._metrics.refused.labels(reason).set(0)
        log.info("connected", cloud=self._targets.current, bundle=digest.hex(), spooled=self._spool.frames)
        stream = UplinkStream(call, digest, self._terms.interval_seconds, self._spooled, self._neighbours)
        self._stream = stream
        if self._stopping.is_set():
            stream.finish()
        begun = time.monotonic()
        try:
            if await stream.carry(welcome):
                return None
        finally:
            self._back_off.note_stream(stream.has_acks or time.monotonic() - begun >= LONGEST_WAIT_SECONDS)
            self._stream = None
            self._metrics.connected.set(0)
            self._metrics.credit.set(0)
        return self._broken("ENDED", "the cloud has ended the stream", digest)

    async def _greet(self, call: Call, digest: bytes) -> uplink_pb2.ConnectResponse:
        """Say Hello and return the Welcome. Raises ProtocolMismatch, or BundleMismatch."""
        hello = uplink_pb2.Hello(
            protocol_version=PROTOCOL_VERSION,
            bundle_digest=digest,
            edge_id=self._terms.edge_id,
            software_version=version("taxon"),
        )
        # Where the call is over already, reading says why.
        with suppress(asyncio.InvalidStateError):
            await call.write(uplink_pb2.ConnectRequest(hello=hello))
        response = await call.read()
        if not isinstance(response, uplink_pb2.ConnectResponse) or not response.HasField("welcome"):
            raise ProtocolMismatch(0, PROTOCOL_VERSION)
        welcome = response.welcome
        if welcome.protocol_version != PROTOCOL_VERSION:
            raise ProtocolMismatch(welcome.protocol_version, PROTOCOL_VERSION)
        if welcome.bundle_digest != digest:
            raise BundleMismatch(digest, [welcome.bundle_digest])
        return response

    async def _first_digest(self) -> bytes:
        """Return the bundle of the spool's oldest frame; empty where the spool is."""
        first = await asyncio.to_thread(self._spool.read_after, 0, 1)
        return first[0].bundle_digest if first else b""

    def _broken(self, reason: str, detail: str, digest: bytes) -> str:
        """Count and log a break, and return its reason; the next attempt goes to the next address."""
        self._metrics.breaks.inc()
        for refusal in REFUSALS:
            self._metrics.refused.labels(refusal).set(int(refusal == reason))
        cloud = self._targets.current
        if reason in REFUSALS:
            log.error("the cloud refuses this edge", reason=reason, cloud=cloud, bundle=digest.hex(), detail=detail)
        elif self._back_off.is_first or self._throttle.due():
            log.warning("no link to the cloud", reason=reason, cloud=cloud, detail=detail + proxy_note(cloud))
        self._targets.next()
        return reason
