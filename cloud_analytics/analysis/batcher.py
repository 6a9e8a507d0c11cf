"""Frames of one bundle together through its networks: the dynamic batcher.

    frames with their latents --(at most `most_batch`, or what came within `queue_delay`)--> group decoders --> wanted heads --> values

While a batch runs the next one gathers, so under load batches grow by themselves and the delay costs nothing. Laws: a frame's
values do not depend on its batch beyond rounding; a head runs for those frames alone that want its task; one frame's failure is its own.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from numpy.typing import NDArray

from cloud_analytics.analysis.catalogue import ServedBundle
from cloud_analytics.analysis.deadline_threads import Threads
from cloud_analytics.metrics.service import CloudMetrics
from shared.codec.latents import Latent, LatentBatch

Values = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, eq=False)
class DecodedFrame:
    """A frame as the networks take it. latents: by group, those its tasks need. tasks: the wanted ones."""

    served: ServedBundle
    latents: Mapping[str, Latent]
    tasks: frozenset[str]


@dataclass(frozen=True, eq=False)
class _Waiting:
    frame: DecodedFrame
    values: asyncio.Future[Values]
    since: float = field(default_factory=time.monotonic)


class Batcher:
    """executor: where the networks run. Frames of one bundle's digest only."""

    def __init__(self, executor: Threads, most_batch: int, queue_delay_seconds: float, metrics: CloudMetrics) -> None:
        self._executor = executor
        self._most_batch = most_batch
        self._delay = queue_delay_seconds
        self._metrics = metrics
        self._waiting: list[_Waiting] = []
        self._arrived = asyncio.Event()
        self._runner: asyncio.Task[None] | None = None

    @property
    def waiting_frames(self) -> int:
        """How many are not in a batch yet."""
        return len(self._waiting)

    async def values(self, frame: DecodedFrame) -> Values:
        """One frame's values by task, each without the batch axis."""
        if self._runner is None:
            self._runner = asyncio.create_task(self._run(), name="batcher")
        one = _Waiting(frame, asyncio.get_running_loop().create_future())
        self._waiting.append(one)
        self._arrived.set()
        return await one.values

    async def close(self) -> None:
        """Ends; frames that wait are cancelled."""
        if self._runner is not None:
            self._runner.cancel()
            await asyncio.gather(self._runner, return_exceptions=True)
        for one in self._waiting:
            one.values.cancel()
        self._waiting.clear()

    async def _run(self) -> None:
        while True:
            batch = [one for one in await self._gathered() if not one.values.done()]
            if not batch:
                continue
            now = time.monotonic()
            for one in batch:
                self._metrics.stage_seconds.labels("queue").observe(now - one.since)
            self._metrics.batch_frames.observe(len(batch))
            frames = [one.frame for one in batch]
            try:
                made = await self._executor.run(run_batch, frames, self._count_heads)
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
        """The next batch: waits for a first frame, then until it is full or the first one has waited for the delay."""
        while not self._waiting:
            self._arrived.clear()
            await self._arrived.wait()
        until = self._waiting[0].since + self._delay
        while len(self._waiting) < self._most_batch and (left := until - time.monotonic()) > 0:
            self._arrived.clear()
            try:
                await asyncio.wait_for(self._arrived.wait(), left)
            except TimeoutError:
                break
        batch, self._waiting = self._waiting[: self._most_batch], self._waiting[self._most_batch :]
        return batch

    async def _one_by_one(self, batch: Sequence[_Waiting], error: Exception) -> None:
        """After a batch failed: each frame alone, so that the one at fault is alone with its failure."""
        for one in batch:
            if len(batch) > 1:
                try:
                    (made,) = await self._executor.run(run_batch, [one.frame], self._count_heads)
                except Exception as alone:
                    _fail(one, alone)
                    continue
                if not one.values.done():
                    one.values.set_result(made)
            else:
                _fail(one, error)

    def _count_heads(self, task: str, frames: int) -> None:
        self._metrics.heads_run.labels(task).inc(frames)


def _fail(one: _Waiting, error: Exception) -> None:
    if not one.values.done():
        one.values.set_exception(error)


def run_batch(frames: Sequence[DecodedFrame], count: Callable[[str, int], None]) -> list[Values]:
    """The frames' values, in their order. count: told of every head that ran and for how many frames."""
    made: list[dict[str, NDArray[Any]]] = [{} for _ in frames]
    # All frames are of one bundle; the newest view of it knows the most heads.
    for group in dict.fromkeys(name for frame in frames for name in frame.latents):
        members = [index for index, frame in enumerate(frames) if group in frame.latents]
        _run_group(group, [frames[index] for index in members], [made[index] for index in members], count)
    return list(made)


def _run_group(
    group: str,
    frames: Sequence[DecodedFrame],
    made: Sequence[dict[str, NDArray[Any]]],
    count: Callable[[str, int], None],
) -> None:
    batch = LatentBatch.of([frame.latents[group] for frame in frames])
    wanting: dict[str, list[int]] = {}
    for index, frame in enumerate(frames):
        for task in frame.tasks:
            if frame.served.tasks[task].group == group:
                wanting.setdefault(task, []).append(index)
    needed: dict[str, None] = {}
    for task, indices in wanting.items():
        overlay = frames[indices[0]].served.overlays.get(task)
        needed |= dict.fromkeys([task] if overlay is None else overlay.features)
    served = frames[0].served
    features = served.decoder.features(group, batch, list(needed)) if needed else {}
    for task, indices in wanting.items():
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
