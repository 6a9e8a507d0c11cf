"""The last frames' results in memory, for all subscribers: each value computed once, each output rendered once.

    LoggedFrame, tasks --decoded: missing values are computed--> DecodedFrame
    LoggedFrame, tasks, style --outputs: missing outputs are rendered--> outputs

Queues and replays carry bitstreams of some hundred bytes; the megabytes are here alone.
Laws: memory stays within `most_bytes` and what is being worked on. What has gone is computed again when someone asks.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Collection, Coroutine
from concurrent.futures import Executor
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from numpy.typing import NDArray

from cloud_analytics.analysis.analysis import Analysis
from cloud_analytics.analysis.catalogue import Catalogue
from cloud_analytics.frames import DecodedFrame, LoggedFrame, TaskOutput
from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.rendering.render import Style, rendered
from shared.contract.descriptions import TaskInfo
from shared.contract.results import PictureResult, TensorResult
from shared.telemetry.logs import logger

_FRAME_BYTES = 2_000
"""About the memory that a frame without results takes."""
_CLASS_BYTES = 100
"""About the memory that one class of a class result takes."""

Made = TypeVar("Made")
log = logger("cloud.results")


@dataclass(eq=False)
class _CachedFrame:
    """A frame and its share of the cache. A future is the work that makes a value; whoever comes later waits for it."""

    decoded: DecodedFrame
    bytes: int = _FRAME_BYTES
    computing: dict[str, asyncio.Future[None]] = field(default_factory=dict)
    outputs: dict[tuple[str, Style], asyncio.Future[TaskOutput | None]] = field(default_factory=dict)


class ResultCache:
    """The cache of one cloud process.

    rendering: the threads in which outputs are rendered.
    most_bytes: the most memory that results may take.
    """

    def __init__(
        self, analysis: Analysis, catalogue: Catalogue, rendering: Executor, most_bytes: int, metrics: CloudMetrics
    ) -> None:
        self._analysis = analysis
        self._catalogue = catalogue
        self._rendering = rendering
        self._most_bytes = most_bytes
        self._metrics = metrics
        self._frames: OrderedDict[int, _CachedFrame] = OrderedDict()
        self._bytes = 0
        metrics.watch_recent(lambda: self._bytes, most_bytes)

    @property
    def bytes(self) -> int:
        """About the memory that is held, in bytes."""
        return self._bytes

    def put(self, decoded: DecodedFrame) -> None:
        """Take a frame that has just been analysed."""
        cached = self._cached(decoded.frame, decoded)
        cached.decoded = decoded
        self._grow(cached, _values_bytes(decoded))

    async def decoded(self, frame: LoggedFrame, tasks: Collection[str]) -> DecodedFrame:
        """Return the frame with at least the values of those of the tasks that it can give."""
        cached = self._cached(frame, None)
        missing = [
            task for task in self._analysis.available(cached.decoded, tasks) if task not in cached.decoded.values
        ]
        if not missing:
            return cached.decoded
        fresh = [task for task in missing if task not in cached.computing]
        if fresh:
            cached.computing |= dict.fromkeys(fresh, _started(self._compute(cached, fresh)))
        # The work is shared: a subscriber that goes must not cancel it for the others.
        await asyncio.gather(*(asyncio.shield(cached.computing[task]) for task in missing))
        return cached.decoded

    async def outputs(
        self, frame: LoggedFrame, tasks: Collection[str], style: Style
    ) -> tuple[DecodedFrame, tuple[TaskOutput, ...]]:
        """Return the frame, and the outputs of those of the tasks that it can give, in the order of `tasks`."""
        decoded = await self.decoded(frame, tasks)
        cached = self._cached(frame, decoded)
        served = self._catalogue.served.get(frame.bundle_digest)
        futures = []
        for task in tasks:
            if served is None or task not in decoded.values or task not in served.tasks:
                continue
            if (task, style) not in cached.outputs:
                work = self._rendered(cached, served.tasks[task], decoded.values[task], style)
                cached.outputs[task, style] = _started(work)
            futures.append(asyncio.shield(cached.outputs[task, style]))
        made = await asyncio.gather(*futures)
        return decoded, tuple(output for output in made if output is not None)

    def _cached(self, frame: LoggedFrame, decoded: DecodedFrame | None) -> _CachedFrame:
        cached = self._frames.get(frame.position)
        if cached is None:
            cached = _CachedFrame(self._analysis.parsed(frame) if decoded is None else decoded)
            self._frames[frame.position] = cached
            self._bytes += cached.bytes
        self._frames.move_to_end(frame.position)
        return cached

    async def _compute(self, cached: _CachedFrame, tasks: Collection[str]) -> None:
        self._metrics.results_computed_again.inc()
        made = await self._analysis.compute(cached.decoded, tasks)
        # Other tasks may have been added while this one was computed.
        known = cached.decoded
        cached.decoded = replace(known, values={**known.values, **made.values}, error=known.error or made.error)
        for task in tasks:
            cached.computing.pop(task, None)
        self._grow(cached, _values_bytes(made))

    async def _rendered(
        self, cached: _CachedFrame, task: TaskInfo, values: NDArray[Any], style: Style
    ) -> TaskOutput | None:
        began = time.monotonic()
        try:
            made = await asyncio.get_running_loop().run_in_executor(self._rendering, rendered, task, values, style)
        except Exception:
            # An overlay's numbers may be anything; its subscribers lose this output, not their stream.
            frame = cached.decoded.frame
            log.exception(
                "output cannot be rendered", task=task.name, camera=frame.camera_id, sequence=frame.packet.sequence
            )
            return None
        self._metrics.stage_seconds.labels("render").observe(time.monotonic() - began)
        self._grow(cached, _output_bytes(made, values))
        return made

    def _grow(self, cached: _CachedFrame, count: int) -> None:
        cached.bytes += count
        frame = cached.decoded.frame
        # A frame that has been dropped while it was worked on is not counted again.
        if self._frames.get(frame.position) is cached:
            self._bytes += count
        while self._bytes > self._most_bytes and len(self._frames) > 1:
            _, oldest = self._frames.popitem(last=False)
            self._bytes -= oldest.bytes


def _started(work: Coroutine[Any, Any, Made]) -> asyncio.Future[Made]:
    return asyncio.create_task(work, name="result")


def _values_bytes(decoded: DecodedFrame) -> int:
    return sum(array.nbytes for array in decoded.values.values())


def _output_bytes(output: TaskOutput, values: NDArray[Any]) -> int:
    if isinstance(output, PictureResult):
        return len(output.png)
    if isinstance(output, TensorResult):
        # A tensor of the network's own size is the cached array itself.
        return 0 if output.values is values else output.values.nbytes
    return _CLASS_BYTES * len(output.classes)
