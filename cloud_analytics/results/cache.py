"""The last frames' results in memory: each number computed once and each output rendered once, for all subscribers.

    Received, tasks --values, computed where missing--> Analysed        Analysed, Style --outputs, rendered where missing--> outputs

Queues and replays carry bitstreams (a hundred bytes); the megabytes are here alone. Law: memory stays within
`most_bytes` and what is being worked on; what has gone is computed again when someone asks.
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
from cloud_analytics.frames import Analysed, Received, TaskOutput
from cloud_analytics.metrics.service import CloudMetrics
from cloud_analytics.rendering.render import Style, rendered
from shared.contract.descriptions import TaskInfo
from shared.contract.results import PictureResult, TensorResult
from shared.telemetry.logs import logger

_FRAME_BYTES = 2_000
"""About what a frame without results takes."""

Made = TypeVar("Made")
log = logger("cloud.results")


@dataclass(eq=False)
class _Entry:
    """A frame's share of the cache. A future is the work that makes the value; who comes later waits for it."""

    analysed: Analysed
    bytes: int = _FRAME_BYTES
    computing: dict[str, asyncio.Future[Analysed]] = field(default_factory=dict)
    outputs: dict[tuple[str, Style], asyncio.Future[TaskOutput | None]] = field(default_factory=dict)


class ResultCache:
    """executor: where outputs are rendered."""

    def __init__(
        self, analysis: Analysis, catalogue: Catalogue, executor: Executor, most_bytes: int, metrics: CloudMetrics
    ) -> None:
        self._analysis = analysis
        self._catalogue = catalogue
        self._executor = executor
        self._most_bytes = most_bytes
        self._metrics = metrics
        self._entries: OrderedDict[int, _Entry] = OrderedDict()
        self._bytes = 0
        metrics.watch_recent(lambda: self._bytes, most_bytes)

    @property
    def bytes(self) -> int:
        """What is held, about."""
        return self._bytes

    def put(self, analysed: Analysed) -> None:
        """A frame that was just analysed."""
        entry = self._entry(analysed.received, analysed)
        entry.analysed = analysed
        self._grow(entry, sum(array.nbytes for array in analysed.values.values()))

    async def analysed(self, received: Received, tasks: Collection[str]) -> Analysed:
        """The frame with at least those of the tasks that it can give."""
        entry = self._entry(received, None)
        missing = [task for task in self._analysis.given(entry.analysed, tasks) if task not in entry.analysed.values]
        if not missing:
            return entry.analysed
        fresh = [task for task in missing if task not in entry.computing]
        if fresh:
            future = _started(self._computed(entry, fresh))
            entry.computing |= dict.fromkeys(fresh, future)
        await asyncio.gather(*(asyncio.shield(entry.computing[task]) for task in missing))
        return entry.analysed

    async def outputs(
        self, received: Received, tasks: Collection[str], style: Style
    ) -> tuple[Analysed, tuple[TaskOutput, ...]]:
        """The frame, and the outputs of those of the tasks that it can give, in their order."""
        analysed = await self.analysed(received, tasks)
        entry = self._entry(received, analysed)
        served = self._catalogue.served.get(received.bundle_digest)
        futures = []
        for task in tasks:
            if served is None or task not in analysed.values or task not in served.tasks:
                continue
            if (task, style) not in entry.outputs:
                work = self._rendered(entry, served.tasks[task], analysed.values[task], style)
                entry.outputs[task, style] = _started(work)
            futures.append(asyncio.shield(entry.outputs[task, style]))
        made = await asyncio.gather(*futures)
        return analysed, tuple(output for output in made if output is not None)

    def _entry(self, received: Received, analysed: Analysed | None) -> _Entry:
        entry = self._entries.get(received.position)
        if entry is None:
            entry = _Entry(self._analysis.framed(received) if analysed is None else analysed)
            self._entries[received.position] = entry
            self._bytes += entry.bytes
        self._entries.move_to_end(received.position)
        return entry

    async def _computed(self, entry: _Entry, tasks: Collection[str]) -> Analysed:
        self._metrics.results_computed_again.inc()
        made = await self._analysis.compute(entry.analysed.received, tasks)
        values: dict[str, NDArray[Any]] = {**entry.analysed.values, **made.values}
        entry.analysed = replace(entry.analysed, values=values, error=entry.analysed.error or made.error)
        for task in tasks:
            entry.computing.pop(task, None)
        self._grow(entry, sum(array.nbytes for array in made.values.values()))
        return entry.analysed

    async def _rendered(self, entry: _Entry, task: TaskInfo, values: NDArray[Any], style: Style) -> TaskOutput | None:
        began = time.monotonic()
        try:
            made = await asyncio.get_running_loop().run_in_executor(self._executor, rendered, task, values, style)
        except Exception:
            # An overlay's numbers may be anything; its subscribers lose this output, not their stream.
            packet = entry.analysed.received.packet
            log.exception("no output", task=task.name, camera=packet.camera_id, sequence=packet.sequence)
            return None
        self._metrics.stage_seconds.labels("render").observe(time.monotonic() - began)
        self._grow(entry, _output_bytes(made, values))
        return made

    def _grow(self, entry: _Entry, count: int) -> None:
        entry.bytes += count
        if self._entries.get(entry.analysed.received.position) is entry:
            self._bytes += count
        while self._bytes > self._most_bytes and len(self._entries) > 1:
            _, oldest = self._entries.popitem(last=False)
            self._bytes -= oldest.bytes


def _started(work: Coroutine[Any, Any, Made]) -> asyncio.Future[Made]:
    return asyncio.create_task(work, name="result")


def _output_bytes(output: TaskOutput, values: NDArray[Any]) -> int:
    if isinstance(output, PictureResult):
        return len(output.png)
    if isinstance(output, TensorResult):
        return 0 if output.values is values else output.values.nbytes
    return 100 * len(output.classes)
