"""The stages, overlapped: while the networks work on one batch the next one is decoded and the last one coded.

    FrameQueue --choose--> prepare (threads) --> networks (a thread) --> code and spool (a thread) --> answers

Between the stages waits one batch at most, so that frames wait in the queue, where its policy holds.
Law: a camera's frames are spooled in the order in which they were taken, and every frame that leaves the queue is answered.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from edge_encoder.control.backpressure import Backpressure
from edge_encoder.control.operating_points import OperatingPoints
from edge_encoder.control.wanted_groups import Wishes
from edge_encoder.encoding.encoder import Encoder
from edge_encoder.frames import Waiting
from edge_encoder.metrics.service import EdgeMetrics
from edge_encoder.pipeline import stages
from edge_encoder.pipeline.frame_queue import FrameQueue
from edge_encoder.spool.spool import Spool
from shared.contract.receipts import Outcome
from shared.errors import CodingFailed, ImageError
from shared.telemetry.logs import logger

MOST_FAILURES = 3
"""After so many failed batches in a row the pipeline gives up, and with it the service: a fresh process may do better."""

log = logger("edge.pipeline")


class Pipeline:
    """spooled: called on the loop when frames have come into the spool."""

    def __init__(
        self,
        encoder: Encoder,
        queue: FrameQueue,
        wishes: Wishes,
        pacing: OperatingPoints,
        spool: Spool,
        metrics: EdgeMetrics,
        most_batch: int,
        spooled: Callable[[], None],
        flow: Backpressure,
    ) -> None:
        self.encoder = encoder
        self._queue = queue
        self._wishes = wishes
        self._pacing = pacing
        self._spool = spool
        self._metrics = metrics
        self._most_batch = most_batch
        self._spooled = spooled
        self._flow = flow
        self._size = encoder.bundle.manifest.input
        self._decoders = min(4, os.cpu_count() or 1)
        self._threads = ThreadPoolExecutor(self._decoders + 2, "edge")
        self._prepared: asyncio.Queue[list[stages.Prepared]] = asyncio.Queue(1)
        self._analysed: asyncio.Queue[list[stages.Analysed]] = asyncio.Queue(1)
        self._room = asyncio.Semaphore(1)
        self._failures = 0

    async def run(self) -> None:
        """Works until it is cancelled, or has failed too often."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._prepare_all())
            group.create_task(self._analyse_all())
            group.create_task(self._code_all())

    def close(self) -> None:
        """Ends the threads; what they work on is finished first."""
        self._threads.shutdown()

    async def _prepare_all(self) -> None:
        while True:
            await self._room.acquire()
            batch: list[stages.Prepared] = []
            while not batch:
                await self._flow.kept_up()
                batch = await self._prepare(await self._queue.take(self._most_batch))
            await self._prepared.put(batch)

    async def _analyse_all(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._prepared.get()
            self._room.release()
            self._metrics.batch.observe(len(batch))
            with self._answering([prepared.task for prepared in batch]):
                with self._timed("networks"):
                    analysed = await loop.run_in_executor(self._threads, stages.analyse, self.encoder, batch)
                await self._analysed.put(analysed)

    async def _code_all(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = await self._analysed.get()
            with self._answering([analysed.prepared.task for analysed in batch]):
                done = await loop.run_in_executor(self._threads, self._coded_and_kept, batch)
                self._failures = 0
                self._spooled()
                for one in done:
                    self._answer(one)

    def _coded_and_kept(self, batch: Sequence[stages.Analysed]) -> list[stages.Done]:
        """In one thread: a change of threads between the two would cost more than the coding of a frame."""
        with self._timed("code"):
            coded = stages.code(self.encoder, batch)
        with self._timed("spool"):
            return stages.keep(self.encoder.bundle.digest, self._pacing, self._spool, batch, coded)

    async def _prepare(self, taken: Sequence[Waiting]) -> list[stages.Prepared]:
        """The frames of a batch, its damaged pictures and unwanted frames answered."""
        tasks = [task for waiting in taken if (task := self._task(waiting)) is not None]
        if not tasks:
            return []
        loop = asyncio.get_running_loop()
        shares = -(-len(tasks) // self._decoders)
        chunks = [tasks[start : start + shares] for start in range(0, len(tasks), shares)]
        prepared: list[stages.Prepared] = []
        with self._answering(tasks), self._timed("prepare"):
            made = await asyncio.gather(
                *(loop.run_in_executor(self._threads, stages.prepare, chunk, self._size) for chunk in chunks)
            )
            for task, one in zip(tasks, (one for chunk in made for one in chunk), strict=True):
                if isinstance(one, ImageError):
                    self._refuse(task, one)
                else:
                    prepared.append(one)
        return prepared

    def _task(self, waiting: Waiting) -> stages.Task | None:
        """What to make of a frame now that its turn has come; None where it is answered already."""
        now = asyncio.get_running_loop().time()
        self._metrics.stage.labels("wait").observe(now - waiting.since_seconds)
        camera_id = waiting.posted.camera_id
        groups = self._wishes.groups_for(camera_id)
        pace = self._pacing.pace(camera_id, groups) if groups else None
        if pace is None:
            waiting.outcome(Outcome.OVER_BUDGET if groups else Outcome.NOT_WANTED)
            return None
        return stages.Task(waiting, groups, pace)

    def _answer(self, done: stages.Done) -> None:
        if isinstance(done.answer, Exception):
            done.waiting.refuse(done.answer)
            return
        if (kept := done.kept) is not None:
            self._metrics.cameras.coded(done.waiting.posted, kept.encoded, kept.geometry, kept.rate)
        done.waiting.resolve(done.answer)

    def _refuse(self, task: stages.Task, error: Exception) -> None:
        self._pacing.give_back(task.pace)
        task.waiting.refuse(error)

    @contextmanager
    def _answering(self, tasks: Sequence[stages.Task]) -> Iterator[None]:
        """Refuses a batch's frames when a stage fails; raises when it has failed too often."""
        try:
            yield
        except Exception as error:
            self._failures += 1
            log.exception("a batch could not be coded", frames=len(tasks), failures=self._failures)
            for task in tasks:
                self._refuse(
                    task, CodingFailed(f"the frame could not be coded ({type(error).__name__}); see the edge's log")
                )
            if self._failures >= MOST_FAILURES:
                raise

    @contextmanager
    def _timed(self, stage: str) -> Iterator[None]:
        start = time.perf_counter()
        yield
        self._metrics.stage.labels(stage).observe(time.perf_counter() - start)
