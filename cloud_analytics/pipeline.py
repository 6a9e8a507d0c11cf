"""From an edge's message to the bus, in one order for all frames.

    Arrival --append, all that wait at once--> LoggedFrame --analyse, many at once--> DecodedFrame
    DecodedFrame --publish, in the log's order--> ResultBus

What comes out of the log is what every replica has put in; a cloud that is alone reads what it wrote itself. Between
the log and the bus there are at most `queue_frames`. While so many are there, the log of a cloud that is alone takes
nothing more, so that its edges' credit waits.
Laws: what `receive` has returned for survives the death of this process. What `published` has returned for is with the
bus.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
import time
from collections.abc import Iterable

from cloud_analytics.analysis.analysis import Analysis
from cloud_analytics.frames import DecodedFrame
from cloud_analytics.journal.frame_log import Appended, Arrival, FrameLog
from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.results.bus import ResultBus
from cloud_analytics.wishes import Wishes
from shared.contract.packets import Packet
from shared.contract.trace_context import traceparent
from shared.errors import JournalFailed, LogUnavailable, TaxonError
from shared.server.supervisor import Supervisor
from shared.telemetry.logs import Throttle, logger

log = logger("cloud.pipeline")
PRUNE_SECONDS = 5.0
DRAIN_LOOK_SECONDS = 0.01
_COMPLAIN_EVERY_SECONDS = 10.0

_Waiting = tuple[Arrival, asyncio.Future[int], float]
"""An arrival that is not in the log yet, the future of its position, and when it came, in monotonic seconds."""
_UnderWay = tuple[asyncio.Task[DecodedFrame], float]
"""A frame's analysis, and when it began, in monotonic seconds."""


class Pipeline:
    """The pipeline of one cloud process. queue_frames: the most frames between the log and the bus."""

    def __init__(
        self,
        frames: FrameLog,
        analysis: Analysis,
        bus: ResultBus,
        wishes: Wishes,
        queue_frames: int,
        metrics: CloudMetrics,
    ) -> None:
        self.supervisor = Supervisor()
        self._frames = frames
        self._analysis = analysis
        self._bus = bus
        self._wishes = wishes
        self._metrics = metrics
        # Bounded by the number of edges: each waits for its message before it reads the next.
        self._waiting: list[_Waiting] = []
        self._has_arrivals = asyncio.Event()
        self._under_way: asyncio.Queue[_UnderWay] = asyncio.Queue(queue_frames)
        self._awaited: list[tuple[int, int, asyncio.Future[None]]] = []
        # Positions may be equal, and futures cannot be compared: the number decides in the heap.
        self._numbers = itertools.count()
        self._undecoded_throttle = Throttle(_COMPLAIN_EVERY_SECONDS)
        self._late_throttle = Throttle(_COMPLAIN_EVERY_SECONDS)
        self._append_throttle = Throttle(_COMPLAIN_EVERY_SECONDS)
        self._prune_throttle = Throttle(_COMPLAIN_EVERY_SECONDS)
        metrics.watch_receive_queue(self._under_way.qsize, queue_frames)

    def start(self) -> None:
        """Begin to work."""
        self.supervisor.start(self._append_loop(), "pipeline: append")
        self.supervisor.start(self._analyse_loop(), "pipeline: analyse")
        self.supervisor.start(self._publish_loop(), "pipeline: publish")
        self.supervisor.start(self._prune_loop(), "pipeline: prune")

    def new_of(self, packets: Iterable[Packet]) -> frozenset[str]:
        """Return the cameras of those packets that the log has not had yet."""
        known = self._frames.cameras
        return frozenset(
            one.camera_id
            for one in packets
            if one.camera_id not in known or one.sequence > known[one.camera_id].last_sequence
        )

    async def receive(self, arrival: Arrival) -> int:
        """Write a message's packets to the log, and return the position that its acknowledgement has to wait for.

        The message may be acknowledged when `published` has returned for this position. Duplicates count too: they may
        still be on their way. Raises JournalFailed.
        """
        position: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self._waiting.append((arrival, position, time.monotonic()))
        self._has_arrivals.set()
        return await position

    async def published(self, position: int) -> None:
        """Return when all frames up to this position are with the bus; raise the reason of `give_up`."""
        if position <= self._bus.published:
            return
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._awaited, (position, next(self._numbers), future))
        await future

    def give_up(self, reason: TaxonError) -> None:
        """Let all who wait in `published` have the reason: what they wait for does not come for now."""
        awaited, self._awaited = self._awaited, []
        for _, _, future in awaited:
            if not future.done():
                future.set_exception(reason)

    async def drain(self) -> None:
        """Return when all that was received is with the bus."""
        while self._waiting:
            await asyncio.sleep(DRAIN_LOOK_SECONDS)
        await self.published(self._frames.head)

    async def close(self) -> None:
        """End at once; what is not published is in the log."""
        await self.supervisor.stop()
        while not self._under_way.empty():
            analysis, _ = self._under_way.get_nowait()
            analysis.cancel()

    async def _append_loop(self) -> None:
        while True:
            await self._has_arrivals.wait()
            self._has_arrivals.clear()
            # All that wait go into one transaction: the disk is asked once, however many edges send.
            batch, self._waiting = self._waiting, []
            began = time.monotonic()
            try:
                appended = await self._frames.append([arrival for arrival, _, _ in batch])
            except LogUnavailable as error:
                # A full disk, or a bus that is away: it may pass, and the edges keep their frames.
                # Every edge sends again within seconds, so a line is written only now and then.
                if self._append_throttle.due():
                    log.error("journal cannot be written", reason=str(error), times=self._append_throttle.times)
                failure = JournalFailed(f"the cloud's journal cannot be written ({error}); send again later")
                _settle(batch, failure)
                continue
            except BaseException:
                _settle(batch, JournalFailed("the cloud's journal failed; send again later"))
                raise
            self._metrics.stage_seconds.labels("journal").observe(time.monotonic() - began)
            for _, _, since in batch:
                self._metrics.stage_seconds.labels("journal_wait").observe(began - since)
            self._count(appended)
            _settle(batch, appended.head)

    def _count(self, appended: Appended) -> None:
        cameras = self._metrics.cameras
        for camera in appended.duplicates:
            cameras.duplicate(camera)
        for camera in appended.late:
            cameras.late(camera)
            if self._late_throttle.due():
                log.error(
                    "frames lost: later ones of the camera had come by another edge",
                    camera=camera,
                    times=self._late_throttle.times,
                )
        for frame in appended.frames:
            cameras.received(frame)

    async def _analyse_loop(self) -> None:
        while True:
            for frame in await self._frames.next_batch():
                tasks = self._wishes.tasks_for(frame.camera_id)
                work = self._analysis.compute(self._analysis.parsed(frame), tasks)
                # Waits where the queue is full: this is what bounds the frames between log and bus.
                await self._under_way.put((asyncio.create_task(work, name="analysis"), time.monotonic()))

    async def _publish_loop(self) -> None:
        while True:
            analysis, since = await self._under_way.get()
            # Analyses may end in any order; they are awaited in the order of the log.
            decoded = await analysis
            packet = decoded.frame.packet
            if decoded.error and self._undecoded_throttle.due():
                log.warning(
                    "frame not decoded",
                    camera=packet.camera_id,
                    sequence=packet.sequence,
                    times=self._undecoded_throttle.times,
                    reason=decoded.error,
                )
            self._bus.publish(decoded)
            self._metrics.cameras.published(decoded)
            log.debug(
                "frame published",
                camera=packet.camera_id,
                sequence=packet.sequence,
                coded_bytes=len(packet.bitstream),
                traceparent=traceparent(packet.trace_context),
            )
            self._metrics.stage_seconds.labels("to_bus").observe(time.monotonic() - since)
            while self._awaited and self._awaited[0][0] <= self._bus.published:
                _, _, future = heapq.heappop(self._awaited)
                if not future.done():
                    future.set_result(None)

    async def _prune_loop(self) -> None:
        while True:
            try:
                await self._prune()
            except LogUnavailable as error:
                # A full disk stops the edges, which keep their frames; it must not stop this service.
                if self._prune_throttle.due():
                    log.error("journal cannot be pruned", reason=str(error), times=self._prune_throttle.times)
            await asyncio.sleep(PRUNE_SECONDS)

    async def _prune(self) -> None:
        pruned = await self._frames.prune()
        for reason, frames in pruned.dropped.items():
            if frames:
                self._metrics.journal_dropped.labels(reason).inc(frames)
                log.info("journal dropped its oldest", reason=reason, frames=frames)
        self._metrics.cameras.forget_quiet()
        self._metrics.journal_bytes.set(pruned.bytes)
        self._metrics.journal_frames.set(pruned.frames)


def _settle(batch: list[_Waiting], outcome: int | JournalFailed) -> None:
    """Give all who wait for these arrivals the position, or the reason why there is none."""
    for _, position, _ in batch:
        # Whoever waited may have gone, with its connection.
        if position.done():
            continue
        if isinstance(outcome, JournalFailed):
            position.set_exception(outcome)
        else:
            position.set_result(outcome)
