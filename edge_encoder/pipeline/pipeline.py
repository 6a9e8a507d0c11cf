"""The stages, overlapped: while the networks work on one batch, the next one is decoded and the last one is coded.

    Batches --next--> prepare (threads) --> networks (a thread) --> code and spool (a thread) --> answers

At most one batch waits between two stages, so that frames wait in the queue, where its policy holds.

Law: a camera's frames are spooled in the order in which they were taken, and every frame that leaves the queue
is answered.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

from edge_encoder.control.backpressure import Backpressure
from edge_encoder.control.operating_points import OperatingPoints
from edge_encoder.encoding.encoder import Encoder
from edge_encoder.encoding.view import WHOLE_PICTURE, View
from edge_encoder.frames import QueuedFrame, not_coded, settle_answer
from edge_encoder.metrics.service import EdgeMetrics
from edge_encoder.pipeline import stages
from edge_encoder.pipeline.frame_queue import FrameQueue
from edge_encoder.pipeline.stages import CodingJob, Done, FrameLatents
from edge_encoder.spool.spool import Spool
from shared.contract.geometry import Frame, Picture
from shared.contract.receipts import Outcome
from shared.errors import CodingFailed, ImageError
from shared.telemetry.logs import Throttle, logger

MOST_FAILURES = 3
"""After so many failed batches in a row the pipeline ends, and the service with it: a fresh process may do better."""

DAMAGE_LOG_SECONDS = 60.0

log = logger("edge.pipeline")


@dataclass(frozen=True, eq=False)
class Batches:
    """The queue, taken a batch at a time. most_frames: of one batch. view_of: gives the part of a camera's pictures to code.

    While the cloud does not keep up, only cameras with policy `all` go on.
    """

    queue: FrameQueue
    backpressure: Backpressure
    most_frames: int
    view_of: Callable[[str], View] = lambda _: WHOLE_PICTURE

    async def next(self) -> list[QueuedFrame]:
        """Wait for the frames of the next batch."""
        while True:
            is_behind = self.backpressure.is_behind
            if taken := self.queue.take_waiting(self.most_frames, keeping_newest=is_behind):
                return taken
            waits: list[asyncio.Future[object]] = [asyncio.ensure_future(self.queue.filled())]
            if is_behind:
                waits.append(asyncio.ensure_future(self.backpressure.wait_until_clear()))
            try:
                await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for one in waits:
                    one.cancel()


class Pipeline:
    """Codes what the queue holds. spooled: called on the loop when frames have come into the spool."""

    def __init__(
        self,
        encoder: Encoder,
        batches: Batches,
        points: OperatingPoints,
        spool: Spool,
        metrics: EdgeMetrics,
        spooled: Callable[[], None],
    ) -> None:
        self._encoder = encoder
        self._batches = batches
        self._points = points
        self._spool = spool
        self._metrics = metrics
        self._spooled = spooled
        manifest = encoder.bundle.manifest
        self._input_size = manifest.input
        self._decoders = min(4, os.cpu_count() or 1)
        # One thread more for the networks and one for coding: the three stages work at the same time.
        self._threads = ThreadPoolExecutor(self._decoders + 2, "edge")
        self._prepared: asyncio.Queue[stages.Worked[Frame]] = asyncio.Queue(1)
        self._analysed: asyncio.Queue[stages.Worked[FrameLatents]] = asyncio.Queue(1)
        self._room = asyncio.Semaphore(1)
        self._failures = 0
        self._throttles: dict[str, Throttle] = {}

    async def run(self) -> None:
        """Work until cancelled, or until too many batches in a row have failed."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._prepare_all())
            group.create_task(self._analyse_all())
            group.create_task(self._code_all())

    def warm_up(self) -> None:
        """Run the networks with one frame and with a full batch, so that no camera's first frame waits for it."""
        self._encoder.warm_up(self._batches.most_frames)

    def close(self) -> None:
        """End the threads; what they work on is finished first."""
        self._threads.shutdown()

    async def _prepare_all(self) -> None:
        while True:
            # A batch is taken only when the networks have taken the one before: a frame in the queue can still be
            # superseded or forgotten, a prepared one cannot.
            await self._room.acquire()
            batch: stages.Worked[Frame] = []
            while not batch:
                batch = await self._prepare(await self._batches.next())
            await self._prepared.put(batch)

    async def _analyse_all(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._prepared.get()
            self._room.release()
            self._metrics.batch.observe(len(batch))
            with self._answering([job for job, _ in batch]):
                with self._timed("networks"):
                    analysed = await loop.run_in_executor(self._threads, stages.analyse, self._encoder, batch)
                await self._analysed.put(analysed)

    async def _code_all(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._analysed.get()
            with self._answering([job for job, _ in batch]):
                worked = await loop.run_in_executor(self._threads, self._code_and_keep, batch)
                self._failures = 0
                self._spooled()
                for job, done in worked:
                    if (spooled := done.spooled) is not None:
                        self._metrics.cameras.coded(job.ref, spooled.encoded, spooled.geometry, job.point.rate)
                    settle_answer(job.answer, done.answer)

    def _code_and_keep(self, batch: stages.Batch[FrameLatents]) -> stages.Worked[Done]:
        """Work in one thread: a change of threads between the two would cost more than the coding of a frame."""
        with self._timed("code"):
            coded = stages.code(self._encoder, batch)
        with self._timed("spool"):
            return stages.keep(self._encoder.bundle.digest, self._points, self._spool, coded)

    async def _prepare(self, taken: Sequence[QueuedFrame]) -> stages.Worked[Frame]:
        """Return the frames of a batch; those over their budget and those without a picture are answered here."""
        found = [(job, queued.picture) for queued in taken if (job := self._job(queued)) is not None]
        if not found:
            return []
        loop = asyncio.get_running_loop()
        share = -(-len(found) // self._decoders)
        chunks = [found[start : start + share] for start in range(0, len(found), share)]
        prepared: stages.Worked[Frame] = []
        with self._answering([job for job, _ in found]), self._timed("prepare"):
            made = await asyncio.gather(
                *(loop.run_in_executor(self._threads, self._prepare_and_look, chunk) for chunk in chunks)
            )
            for job, frame in (pair for chunk in made for pair in chunk):
                if isinstance(frame, ImageError):
                    self._refuse(job, frame)
                else:
                    self._metrics.cameras.looked_at(job.ref.camera_id)
                    self._note_damage(job, frame)
                    prepared.append((job, frame))
        return prepared

    def _prepare_and_look(self, chunk: stages.Batch[Picture]) -> stages.Worked[Frame | ImageError]:
        """Work in one thread, so that each picture is looked at while it is in the processor's cache."""
        prepared = stages.prepare(chunk, self._input_size)
        for job, frame in prepared:
            if isinstance(frame, Frame):
                self._metrics.cameras.sights.see(job.ref.camera_id, frame.pixels)
        return prepared

    def _job(self, queued: QueuedFrame) -> CodingJob | None:
        """Choose the operating point of a frame whose turn has come; None where its budget is spent."""
        ref, groups = queued.ref, queued.groups
        waited_seconds = asyncio.get_running_loop().time() - queued.since_seconds
        self._metrics.stage.labels("wait").observe(waited_seconds)
        point = self._points.choose(ref.camera_id, groups)
        if point is None:
            settle_answer(queued.answer, not_coded(ref, Outcome.OVER_BUDGET))
            return None
        # The view of this moment, not of the frame's arrival: a mask that is set now holds for frames that wait.
        return CodingJob(ref, groups, point, queued.answer, self._batches.view_of(ref.camera_id))

    def _note_damage(self, job: CodingJob, frame: Frame) -> None:
        """Count a damaged picture, and log it once a minute at most for each camera."""
        if frame.damage is None:
            return
        camera = job.ref.camera_id
        self._metrics.cameras.damaged(camera, frame.damage.kind)
        throttle = self._throttles.setdefault(camera, Throttle(DAMAGE_LOG_SECONDS))
        if throttle.due():
            log.warning(
                "damaged pictures taken",
                camera=camera,
                kind=frame.damage.kind,
                detail=frame.damage.detail,
                frames=throttle.times,
            )

    def _refuse(self, job: CodingJob, error: Exception) -> None:
        self._points.give_back(job.point)
        settle_answer(job.answer, error)

    @contextmanager
    def _answering(self, jobs: Sequence[CodingJob]) -> Iterator[None]:
        """Refuse a batch's frames when a stage fails; raise when batches have failed too often."""
        try:
            yield
        except Exception as error:
            self._failures += 1
            log.exception("a batch could not be coded", frames=len(jobs), failures=self._failures)
            for job in jobs:
                self._refuse(
                    job, CodingFailed(f"the frame could not be coded ({type(error).__name__}); see the edge's log")
                )
            if self._failures >= MOST_FAILURES:
                raise

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._metrics.stage.labels(stage).observe(time.perf_counter() - start)
