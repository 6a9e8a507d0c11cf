"""Logged frames to results as numbers.

    LoggedFrame --parse--> groups and their bytes --decode, in threads--> latents --Batcher--> values by task

Laws: it never raises for a frame, good or bad, and no call that hangs stops it. A frame that cannot be decoded comes
back as a `DecodedFrame` with its error. What nobody wants is neither decoded nor run, and a task whose group was not
sent is left out. A bitstream is parsed once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import replace

from cloud_analytics.analysis.batcher import Batcher, BatchInput, DeadlineThreads
from cloud_analytics.analysis.catalogue import Catalogue, ServedBundle
from cloud_analytics.frames import DecodedFrame, LoggedFrame
from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.settings import CloudSettings
from shared.codec.bitstream import Bitstream, Substream, parse
from shared.codec.latents import Latent
from shared.contract.results import GroupBytes
from shared.errors import CallHangs, TaxonError, UnknownName
from shared.telemetry.logs import Throttle, logger

log = logger("cloud.analysis")
_COMPLAIN_EVERY_SECONDS = 10.0


class Analysis:
    """The analysis of one cloud process, of all bundles that it serves.

    call_seconds: the longest that decoding a frame or running a batch may take; both take milliseconds.
    """

    def __init__(
        self, catalogue: Catalogue, settings: CloudSettings, metrics: CloudMetrics, call_seconds: float = 60.0
    ) -> None:
        self._catalogue = catalogue
        self._settings = settings
        self._metrics = metrics
        hung = metrics.calls_hung
        self._decoding = DeadlineThreads(settings.decode_threads, "decode", call_seconds, hung.labels("decode").inc)
        # One batch at a time: the runtime spreads it over the cores itself, and the next batch gathers meanwhile.
        self._networks = DeadlineThreads(1, "networks", call_seconds, hung.labels("networks").inc)
        self._batchers: dict[bytes, Batcher] = {}
        self._throttle = Throttle(_COMPLAIN_EVERY_SECONDS)
        metrics.watch_batchers(lambda: sum(batcher.waiting_frames for batcher in self._batchers.values()))

    def parsed(self, frame: LoggedFrame) -> DecodedFrame:
        """Return the frame without values: the groups that were sent, and the bytes of each. It runs no network."""
        try:
            served = self._catalogue.with_digest(frame.bundle_digest)
            bitstream = parse(frame.packet.bitstream)
            bitstream.require_bundle(served.bundle.digest)
        except TaxonError as error:
            return DecodedFrame(frame, None, (), {}, str(error))
        groups = (GroupBytes(_name(served, one), one.rate, one.size_bytes) for one in bitstream.substreams)
        return DecodedFrame(frame, bitstream, tuple(groups), {})

    def available(self, parsed: DecodedFrame, tasks: Collection[str]) -> tuple[str, ...]:
        """Return those of the tasks that this frame can give: tasks of its bundle whose group was sent."""
        served = self._catalogue.served.get(parsed.frame.bundle_digest)
        if parsed.error or served is None:
            return ()
        sent = {group.group for group in parsed.groups}
        return tuple(task for task in tasks if task in served.tasks and served.tasks[task].group in sent)

    async def compute(self, parsed: DecodedFrame, tasks: Collection[str]) -> DecodedFrame:
        """Return the frame with the values of those of the tasks that it can give, in place of the values it had."""
        parsed = replace(parsed, values={})
        wanted = frozenset(self.available(parsed, tasks))
        if not wanted or parsed.bitstream is None:
            return parsed
        digest = parsed.frame.bundle_digest
        served = self._catalogue.served[digest]
        try:
            latents = await self._decoding.run(self._latents, served, parsed.bitstream, served.groups_of(wanted))
            if digest not in self._batchers:
                self._batchers[digest] = Batcher(self._networks, self._settings, self._metrics)
            values = await self._batchers[digest].values(BatchInput(served, latents, wanted))
            return replace(parsed, values=values)
        except CallHangs as error:
            self._complain(parsed.frame, error)
            return replace(parsed, error=str(error))
        except TaxonError as error:
            return replace(parsed, error=str(error))
        except Exception as error:
            # ONNX Runtime raises errors of its own. A frame that no network can take must not stop those behind it.
            self._complain(parsed.frame, error)
            reason = f"the networks failed ({type(error).__name__}); see the cloud's log"
            return replace(parsed, error=reason)

    async def close(self) -> None:
        """End all work; what is under way is finished or cancelled."""
        for batcher in self._batchers.values():
            await batcher.close()
        for threads in (self._decoding, self._networks):
            await asyncio.to_thread(threads.shut_down)

    def _latents(self, served: ServedBundle, bitstream: Bitstream, groups: frozenset[str]) -> dict[str, Latent]:
        began = time.monotonic()
        latents = served.decoder.latents_of(bitstream, sorted(groups))
        self._metrics.stage_seconds.labels("decode").observe(time.monotonic() - began)
        return latents

    def _complain(self, frame: LoggedFrame, error: Exception) -> None:
        if self._throttle.due():
            packet = frame.packet
            log.error(
                "frame could not be analysed",
                camera=packet.camera_id,
                sequence=packet.sequence,
                times=self._throttle.times,
                exc_info=error,
            )


def _name(served: ServedBundle, substream: Substream) -> str:
    try:
        return served.bundle.group_with_id(substream.group_id).name
    except UnknownName:
        return f"unknown {substream.group_id}"
