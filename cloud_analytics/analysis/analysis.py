"""Received bitstreams to results as numbers.

    Received --framed--> its groups --entropy decode, in threads--> latents --Batcher of its bundle--> values of the wanted tasks

Laws: it never raises for a frame, good or bad, and no call that hangs stops it: what cannot be decoded comes back as
an `Analysed` with its error; what nobody wants is neither decoded nor run; a task whose group was not sent is left out.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Collection
from dataclasses import replace

from cloud_analytics.analysis.batcher import Batcher, DecodedFrame
from cloud_analytics.analysis.catalogue import Catalogue, ServedBundle
from cloud_analytics.analysis.deadline_threads import Threads
from cloud_analytics.frames import Analysed, Received
from cloud_analytics.metrics.service import CloudMetrics
from shared.codec.bitstream import Substream, parse
from shared.codec.latents import Latent
from shared.contract.results import GroupBytes
from shared.errors import CallHangs, TaxonError, UnknownName
from shared.telemetry.logs import Throttle, logger

log = logger("cloud.analysis")
_COMPLAIN_EVERY_SECONDS = 10.0
CALL_SECONDS = 60.0
"""The longest that decoding a frame or running a batch may take; both take milliseconds."""


class Analysis:
    """decode_threads: for the entropy decoder. most_batch, queue_delay_seconds: of the batcher. call_seconds: of decoding, of a batch."""

    def __init__(
        self,
        catalogue: Catalogue,
        decode_threads: int,
        most_batch: int,
        queue_delay_seconds: float,
        metrics: CloudMetrics,
        call_seconds: float = CALL_SECONDS,
    ) -> None:
        self._catalogue = catalogue
        self._metrics = metrics
        hung = metrics.calls_hung
        self._threads = Threads(decode_threads, "decode", call_seconds, hung.labels("decode").inc)
        # One batch at a time: the runtime spreads it over the cores itself, and the next batch gathers meanwhile.
        self._networks = Threads(1, "networks", call_seconds, hung.labels("networks").inc)
        self._make_batcher: Callable[[], Batcher] = lambda: Batcher(
            self._networks, most_batch, queue_delay_seconds, metrics
        )
        self._batchers: dict[bytes, Batcher] = {}
        self._throttle = Throttle(_COMPLAIN_EVERY_SECONDS)
        metrics.watch_batchers(lambda: sum(batcher.waiting_frames for batcher in self._batchers.values()))

    def framed(self, received: Received) -> Analysed:
        """What the framing alone tells: which groups were sent, at what cost. Microseconds, no network."""
        try:
            served = self._catalogue.with_digest(received.bundle_digest)
            return Analysed(received, _groups(served, received.packet.bitstream), {})
        except TaxonError as error:
            return Analysed(received, (), {}, str(error))

    def given(self, framed: Analysed, tasks: Collection[str]) -> tuple[str, ...]:
        """Those of the tasks that this frame can give: of its bundle, and of a group that was sent."""
        served = self._catalogue.served.get(framed.received.bundle_digest)
        if framed.error or served is None:
            return ()
        sent = {group.group for group in framed.groups}
        return tuple(task for task in tasks if task in served.tasks and served.tasks[task].group in sent)

    async def compute(self, received: Received, tasks: Collection[str]) -> Analysed:
        """The results of those of the tasks whose groups were sent."""
        framed = self.framed(received)
        wanted = frozenset(self.given(framed, tasks))
        if not wanted:
            return framed
        served = self._catalogue.served[received.bundle_digest]
        try:
            latents = await self._threads.run(
                self._latents, served, received.packet.bitstream, served.groups_of(wanted)
            )
            batcher = self._batchers.setdefault(received.bundle_digest, self._make_batcher())
            return replace(framed, values=await batcher.values(DecodedFrame(served, latents, wanted)))
        except CallHangs as error:
            self._complain(received, error)
            return replace(framed, error=str(error))
        except TaxonError as error:
            return replace(framed, error=str(error))
        except Exception as error:
            # ONNX Runtime raises its own kinds. A frame that no network can take must not stop the frames behind it.
            self._complain(received, error)
            return replace(framed, error=f"the networks failed ({type(error).__name__}); see the cloud's log")

    async def close(self) -> None:
        """Ends; what is under way is finished or cancelled."""
        for batcher in self._batchers.values():
            await batcher.close()
        await asyncio.to_thread(self._shut_down)

    def _shut_down(self) -> None:
        self._threads.shut_down()
        self._networks.shut_down()

    def _latents(self, served: ServedBundle, bitstream: bytes, groups: frozenset[str]) -> dict[str, Latent]:
        began = time.monotonic()
        latents = served.decoder.latents(bitstream, sorted(groups))
        self._metrics.stage_seconds.labels("decode").observe(time.monotonic() - began)
        return latents

    def _complain(self, received: Received, error: Exception) -> None:
        if self._throttle.due():
            packet = received.packet
            log.error(
                "networks failed",
                camera=packet.camera_id,
                sequence=packet.sequence,
                times=self._throttle.times,
                exc_info=error,
            )


def _groups(served: ServedBundle, data: bytes) -> tuple[GroupBytes, ...]:
    """The groups of a bitstream and their bytes, headers and check sums included; raises a BitstreamError."""
    bitstream = parse(data)
    bitstream.require_bundle(served.bundle.digest)
    return tuple(GroupBytes(_name(served, one), one.rate, one.size_bytes) for one in bitstream.substreams)


def _name(served: ServedBundle, substream: Substream) -> str:
    try:
        return served.bundle.group_with_id(substream.group_id).name
    except UnknownName:
        return f"unknown {substream.group_id}"
