"""From an uplink's message to the bus, in one order for all.

    Arrival --frame log, all that wait at once--> Received --analysis, many at once--> Analysed --in the log's order--> bus

What comes out of the log is what every replica put in: a cloud that is alone reads what it wrote. Laws: what `receive` has returned for
survives the death of this process; what `published` has returned for is with the bus. Between the log and the bus there are at most
`queue_frames`; when they are there, a log of this process alone takes nothing more, and with it the edge's credit waits.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Iterable
from dataclasses import dataclass, field

from cloud_analytics.analysis.analysis import Analysis
from cloud_analytics.frames import Analysed, Received
from cloud_analytics.journal.frame_log import Appended, Arrival, FrameLog
from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.results.bus import ResultBus
from cloud_analytics.wishes import Wishes
from shared.contract.packets import Packet
from shared.contract.trace_context import traceparent
from shared.errors import JournalFailed, LogUnavailable, TaxonError
from shared.server.cancellation import ended
from shared.telemetry.logs import Throttle, logger

log = logger("cloud.pipeline")
PRUNE_SECONDS = 5.0
DRAIN_LOOK_SECONDS = 0.01
_COMPLAIN_EVERY_SECONDS = 10.0


@dataclass(frozen=True, eq=False)
class _Arrived:
    arrival: Arrival
    done: asyncio.Future[int]
    since: float = field(default_factory=time.monotonic)


@dataclass(frozen=True, eq=False)
class _UnderWay:
    received: Received
    analysed: asyncio.Task[Analysed]
    since: float = field(default_factory=time.monotonic)


class Pipeline:
    """queue_frames: between the journal and the bus."""

    def __init__(
        self,
        frames: FrameLog,
        analysis: Analysis,
        bus: ResultBus,
        wishes: Wishes,
        queue_frames: int,
        metrics: CloudMetrics,
    ) -> None:
        self._frames = frames
        self._analysis = analysis
        self._bus = bus
        self._wishes = wishes
        self._metrics = metrics
        # Bounded by the uplinks: each waits for its message before it reads the next.
        self._arrived: list[_Arrived] = []
        self._arrival = asyncio.Event()
        self._under_way: asyncio.Queue[_UnderWay] = asyncio.Queue(queue_frames)
        self._awaited: list[tuple[int, int, asyncio.Future[None]]] = []
        self._numbers = itertools.count()
        self._tasks: list[asyncio.Task[None]] = []
        self._throttle = Throttle(_COMPLAIN_EVERY_SECONDS)
        self._late_throttle = Throttle(_COMPLAIN_EVERY_SECONDS)
        self._journal_throttle = Throttle(_COMPLAIN_EVERY_SECONDS)
        self._pruning_throttle = Throttle(_COMPLAIN_EVERY_SECONDS)
        metrics.watch_receive_queue(self._under_way.qsize, queue_frames)

    def start(self) -> None:
        """Begins to work."""
        loops = (self._append_loop(), self._analysis_loop(), self._publish_loop(), self._keep_loop())
        self._tasks = [asyncio.create_task(one, name="pipeline") for one in loops]

    async def failed(self) -> BaseException:
        """Waits until a loop has ended, which it must not, and says why."""
        done, _ = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        ended = next(iter(done))
        error = None if ended.cancelled() else ended.exception()
        return error or RuntimeError("the pipeline ended")

    def new_of(self, packets: Iterable[Packet]) -> frozenset[str]:
        """The cameras of those packets that the log has not had yet."""
        known = self._frames.cameras
        return frozenset(
            one.camera_id
            for one in packets
            if one.camera_id not in known or one.sequence > known[one.camera_id].last_sequence
        )

    async def receive(self, arrival: Arrival) -> int:
        """Writes a message's packets to the log, from where what is new goes on its way. Returns the position to await with
        `published` before the message is acknowledged: duplicates may still be on their way too. Raises JournalFailed.
        """
        one = _Arrived(arrival, asyncio.get_running_loop().create_future())
        self._arrived.append(one)
        self._arrival.set()
        return await one.done

    async def published(self, position: int) -> None:
        """Returns when all frames up to this position are with the bus."""
        if position <= self._bus.published:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._awaited, (position, next(self._numbers), future))
        await future

    def give_up(self, reason: TaxonError) -> None:
        """Whoever waits in `published` gets the reason: what it waits for does not come for now."""
        awaited, self._awaited = self._awaited, []
        for _, _, future in awaited:
            if not future.done():
                future.set_exception(reason)

    async def drain(self) -> None:
        """Returns when all that was received is with the bus."""
        while self._arrived:
            await asyncio.sleep(DRAIN_LOOK_SECONDS)
        await self.published(self._frames.head)

    async def close(self) -> None:
        """Ends at once; what is not published is in the log."""
        await ended(self._tasks)
        while not self._under_way.empty():
            self._under_way.get_nowait().analysed.cancel()

    async def _append_loop(self) -> None:
        while True:
            await self._arrival.wait()
            self._arrival.clear()
            batch, self._arrived = self._arrived, []
            began = time.monotonic()
            try:
                appended = await self._frames.append([one.arrival for one in batch])
            except LogUnavailable as error:
                # A full disk, or a bus that is away: it may pass, and the edges keep their frames.
                # Every edge sends again within seconds: told now and then, with how often.
                if self._journal_throttle.due():
                    log.error("journal cannot be written", reason=str(error), times=self._journal_throttle.times)
                failure = JournalFailed(f"the cloud's journal cannot be written ({error}); send again later")
                _settle(batch, failure)
                continue
            except BaseException:
                _settle(batch, JournalFailed("the cloud's journal failed; send again later"))
                raise
            self._metrics.stage_seconds.labels("journal").observe(time.monotonic() - began)
            for one in batch:
                self._metrics.stage_seconds.labels("journal_wait").observe(began - one.since)
            self._count(appended)
            _settle(batch, appended.head)

    def _count(self, appended: Appended) -> None:
        for camera in appended.duplicates:
            self._metrics.cameras.duplicate(camera)
        for camera in appended.late:
            self._metrics.cameras.late(camera)
            if self._late_throttle.due():
                log.error(
                    "frames lost: later ones of the camera had come by another edge",
                    camera=camera,
                    times=self._late_throttle.times,
                )
        for received in appended.received:
            self._metrics.cameras.received(received)

    async def _analysis_loop(self) -> None:
        while True:
            for received in await self._frames.come():
                tasks = self._wishes.tasks_for(received.packet.camera_id)
                work = asyncio.create_task(self._analysis.compute(received, tasks), name="analysis")
                await self._under_way.put(_UnderWay(received, work))

    async def _publish_loop(self) -> None:
        while True:
            one = await self._under_way.get()
            analysed = await one.analysed
            if analysed.error:
                self._complain(analysed)
            await self._bus.publish(analysed)
            self._metrics.cameras.published(analysed)
            packet = one.received.packet
            log.debug(
                "frame published",
                camera=packet.camera_id,
                sequence=packet.sequence,
                coded_bytes=len(packet.bitstream),
                traceparent=traceparent(packet.trace_context),
            )
            self._metrics.stage_seconds.labels("to_bus").observe(time.monotonic() - one.since)
            while self._awaited and self._awaited[0][0] <= self._bus.published:
                _, _, future = heapq.heappop(self._awaited)
                if not future.done():
                    future.set_result(None)

    async def _keep_loop(self) -> None:
        while True:
            try:
                await self._keep()
            except LogUnavailable as error:
                # A full disk stops the edges, which keep their frames; it must not stop this service.
                if self._pruning_throttle.due():
                    log.error("journal cannot be pruned", reason=str(error), times=self._pruning_throttle.times)
            await asyncio.sleep(PRUNE_SECONDS)

    async def _keep(self) -> None:
        kept = await self._frames.keep()
        for reason, frames in kept.dropped.items():
            if frames:
                self._metrics.journal_dropped.labels(reason).inc(frames)
                log.info("journal dropped its oldest", reason=reason, frames=frames)
        self._metrics.cameras.forget_quiet()
        self._metrics.journal_bytes.set(kept.bytes)
        self._metrics.journal_frames.set(kept.frames)

    def _complain(self, analysed: Analysed) -> None:
        packet = analysed.received.packet
        if self._throttle.due():
            log.warning(
                "frame not decoded",
                camera=packet.camera_id,
                sequence=packet.sequence,
                times=self._throttle.times,
                reason=analysed.error,
            )


def _settle(batch: list[_Arrived], outcome: int | JournalFailed) -> None:
    for one in batch:
        if one.done.done():
            continue
        if isinstance(outcome, JournalFailed):
            one.done.set_exception(outcome)
        else:
            one.done.set_result(outcome)
