"""The dynamic batcher: frames of one bundle go through its networks together.

    frames with their latents --gathered into a batch--> group decoders --features--> wanted heads --> values

A batch goes when it has `most_batch` frames, or when its first frame has waited for `queue_delay_seconds`. While a
batch runs the next one gathers, so under load batches grow by themselves and the delay costs nothing.
Laws: a frame's values do not depend on its batch beyond rounding. A head runs for those frames alone that want its
task. One frame's failure is its own. A call that hangs keeps no other call waiting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from numpy.typing import NDArray

from cloud_analytics.analysis.catalogue import ServedBundle
from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.settings import CloudSettings
from shared.codec.latents import Latent, LatentBatch
from shared.errors import CallHangs

Values = Mapping[str, NDArray[Any]]
Given = ParamSpec("Given")
Made = TypeVar("Made")


class DeadlineThreads:
    """A pool of threads with a deadline for each call.

    A thread inside a library cannot be ended, so a call that hangs is left behind with its pool.
    count: the number of threads.
    name: the name of the stage, for the threads and for error messages.
    deadline_seconds: the longest that a call is waited for.
    on_hang: is called for each call that was given up.
    """

    def __init__(self, count: int, name: str, deadline_seconds: float, on_hang: Callable[[], None]) -> None:
        self._count = count
        self._name = name
        self._deadline_seconds = deadline_seconds
        self._on_hang = on_hang
        self._pool = ThreadPoolExecutor(count, name)

    async def run(self, call: Callable[Given, Made], *args: Given.args, **kwargs: Given.kwargs) -> Made:
        """Return the call's result, or raise its error. Raises CallHangs after the deadline."""
        pool = self._pool
        work = asyncio.wrap_future(pool.submit(call, *args, **kwargs))
        done, _ = await asyncio.wait({work}, timeout=self._deadline_seconds)
        if done:
            return work.result()
        work.cancel()
        self._on_hang()
        # Several calls may hang in one pool; only the first of them replaces it.
        if pool is self._pool:
            self._pool = ThreadPoolExecutor(self._count, self._name)
            pool.shutdown(wait=False)
        raise CallHangs(
            f"{self._name} took longer than {self._deadline_seconds:g} s and was given up; see the cloud's log"
        )

    def shut_down(self) -> None:
        """Wait for the calls that are under way, but not for those that hang. This blocks."""
        self._pool.shutdown(cancel_futures=True)


@dataclass(frozen=True, eq=False)
class BatchInput:
    """A frame as the networks take it.

    latents: by group, those that the frame's tasks need.
    tasks: the wanted tasks.
    """

    served: ServedBundle
    latents: Mapping[str, Latent]
    tasks: frozenset[str]


@dataclass(frozen=True, eq=False)
class _Waiting:
    """A frame that waits for its values. since: when it came, in seconds of the monotonic clock."""

    frame: BatchInput
    values: asyncio.Future[Values]
    since: float


class Batcher:
    """The batches of one bundle's frames. threads: where the networks run."""

    def __init__(self, threads: DeadlineThreads, settings: CloudSettings, metrics: CloudMetrics) -> None:
        self._threads = threads
        self._settings = settings
        self._metrics = metrics
        self._waiting: list[_Waiting] = []
        self._arrived = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None

    @property
    def waiting_frames(self) -> int:
        """The number of frames that are not in a batch yet."""
        return len(self._waiting)

    async def values(self, frame: BatchInput) -> Values:
        """Return one frame's values by task, each without the batch axis."""
        if self._runner is None:
            self._runner = asyncio.create_task(self._run(), name="batcher")
        one = _Waiting(frame, asyncio.get_running_loop().create_future(), time.monotonic())
        self._waiting.append(one)
        self._arrived.set()
        return await one.values

    async def close(self) -> None:
        """End the batcher; frames that wait are cancelled."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        for one in self._waiting:
            one.values.cancel()
        self._waiting.clear()

    async def _run(self) -> None:
        while True:
            # Whoever asked for a frame may have gone while it waited.
            batch = [one for one in await self._gathered() if not one.values.done()]
            if not batch:
                continue
            now = time.monotonic()
            for one in batch:
                self._metrics.stage_seconds.labels("queue").observe(now - one.since)
            self._metrics.batch_frames.observe(len(batch))
            try:
                made = await self._threads.run(run_batch, [one.frame for one in batch], self._count_heads)
            except asyncio.CancelledError:
                for one in batch:
                    one.values.cancel()
                raise
            except Exception as error:
                await self._one_by_one(batch, error)
                continue
            self._metrics.stage_seconds.labels("networks").observe(time.monotonic() - now)
            for one, values in zip(batch, made, strict=True):
                if not one.values.done():
                    one.values.set_result(values)

    async def _gathered(self) -> list[_Waiting]:
        """Return the next batch: wait for a first frame, then until the batch is full or the delay is over."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        most = self._settings.most_batch
        until = self._waiting[0].since + self._settings.queue_delay_seconds
        while len(self._waiting) < most and (left := until - time.monotonic()) > 0:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), left)
            except TimeoutError:
                break
        batch, self._waiting = self._waiting[:most], self._waiting[most:]
        return batch

    async def _one_by_one(self, batch: Sequence[_Waiting], error: Exception) -> None:
        """After a batch has failed, run each frame alone, so that only the one at fault fails."""
        for one in batch:
            made, failure = None, error
            # A frame that was alone in its batch has just been tried alone.
            if len(batch) > 1:
                try:
                    (made,) = await self._threads.run(run_batch, [one.frame], self._count_heads)
                except Exception as alone:
                    failure = alone
            if one.values.done():
                continue
            if made is not None:
                one.values.set_result(made)
            else:
                one.values.set_exception(failure)

    def _count_heads(self, task: str, frames: int) -> None:
        self._metrics.heads_run.labels(task).inc(frames)


def run_batch(frames: Sequence[BatchInput], count: Callable[[str, int], None]) -> list[Values]:
    """Return the frames' values, in their order. count: is told of every head that ran, and for how many frames."""
    made: list[dict[str, NDArray[Any]]] = [{} for _ in frames]
    for group in dict.fromkeys(name for frame in frames for name in frame.latents):
        members = [index for index, frame in enumerate(frames) if group in frame.latents]
        _run_group(group, [frames[index] for index in members], [made[index] for index in members], count)
    return list(made)


def _run_group(
    group: str,
    frames: Sequence[BatchInput],
    made: Sequence[dict[str, NDArray[Any]]],
    count: Callable[[str, int], None],
) -> None:
    """Run one group's decoder for these frames and then the wanted heads, and put the values into `made`."""
    batch = LatentBatch.of([frame.latents[group] for frame in frames])
    wanting: dict[str, list[int]] = {}
    for index, frame in enumerate(frames):
        for task in frame.tasks:
            if frame.served.tasks[task].group == group:
                wanting.setdefault(task, []).append(index)
    # The decoder computes only those features that a wanted head takes; an overlay may take several.
    needed: dict[str, None] = {}
    for task, indices in wanting.items():
        overlay = frames[indices[0]].served.overlays.get(task)
        needed |= dict.fromkeys([task] if overlay is None else overlay.features)
    served = frames[0].served
    features = served.decoder.features(group, batch, list(needed)) if needed else {}
    for task, indices in wanting.items():
        # Copying the chosen frames costs time, so nothing is copied where all frames want the task.
        everyone = len(indices) == len(frames)
        inputs = features if everyone else {name: values[indices] for name, values in features.items()}
        overlay = frames[indices[0]].served.overlays.get(task)
        if overlay is None:
            values = served.heads.run(task, inputs[task]).values
        else:
            chosen = batch if everyone else LatentBatch(batch.z[indices], batch.v[indices], batch.rate[indices])
            values = overlay.run(inputs, chosen)
        count(task, len(indices))
        for index, value in zip(indices, values, strict=True):
            made[index][task] = value
