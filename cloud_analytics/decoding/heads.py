"""Compute task results from task features, and the whole way there from bitstreams.

    feature --head graph--> TaskResult            bitstreams --Decoder--> features --Heads--> results, for wanted tasks only
    images --backbone--> feature maps --group encoder's float outputs--> --reference graph--> results, without any coding

Laws: a task that nobody wants costs nothing; a result has the shape and dtype that `shared.model.tasks` promises.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cloud_analytics.decoding.decoder import Decoder
from shared.codec.latents import LatentBatch
from shared.errors import BundleError, UnknownName
from shared.model.bundle import Bundle
from shared.model.onnx_graphs import Graphs
from shared.model.tasks import Task, task_named


@dataclass(frozen=True, eq=False)
class TaskResult:
    """One task's results for N frames. values: an array of `task.shape` and `task.dtype`."""

    task: Task
    values: NDArray[Any]


@dataclass(frozen=True, eq=False)
class Heads:
    """The head graphs of one bundle."""

    graphs: Graphs

    def run(self, task: str, feature: NDArray[np.float32]) -> TaskResult:
        """Run one task's head. feature: float32 [N, ...] as `Decoder.features` gives it. Raises UnknownName."""
        tasks = self.graphs.bundle.manifest.tasks
        if task not in tasks:
            raise UnknownName("task", task, tasks)
        head = tasks[task].head
        made = self.graphs.run(head, {"feature": feature})
        return checked_result(task, made["result"], head)


def checked_result(task: str, values: NDArray[Any], graph: str) -> TaskResult:
    """Return a graph's output as a result; raises BundleError, naming the graph, where the task promises another form."""
    promised = task_named(task)
    if values.dtype != np.dtype(promised.dtype) or values.ndim != len(promised.shape):
        raise BundleError(
            graph, f"gives {values.dtype} {values.shape}, task {task} is {promised.dtype} {promised.shape}"
        )
    return TaskResult(promised, values)


def results(decoder: Decoder, bitstreams: Sequence[bytes], tasks: Collection[str]) -> tuple[TaskResult, ...]:
    """Compute the wanted tasks' results for some frames, in the order of `tasks`.

    Raises a BitstreamError for bytes that are refused, MissingGroup for a task whose group was not sent.
    """
    bundle: Bundle = decoder.bundle
    heads = Heads(decoder.graphs)
    wanted: dict[str, list[str]] = {}
    for task in tasks:
        wanted.setdefault(bundle.manifest.group_of(task).name, []).append(task)
    frames = [decoder.latents(data, wanted) for data in bitstreams]
    found: dict[str, TaskResult] = {}
    for group, members in wanted.items():
        batch = LatentBatch.of([frame[group] for frame in frames])
        for task, feature in decoder.features(group, batch, members).items():
            found[task] = heads.run(task, feature)
    return tuple(found[task] for task in tasks)


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference graphs of one bundle: coded results are compared with theirs, and the service never runs them.

    Law: pictures and backbone are the edge's own, and nothing is rounded on the way.
    """

    graphs: Graphs

    def results(self, images: NDArray[np.uint8], tasks: Collection[str]) -> tuple[TaskResult, ...]:
        """Compute the wanted tasks' results, in the order of `tasks`. images: uint8 [N, H, W, 3]. Raises UnknownName."""
        manifest = self.graphs.bundle.manifest
        wanted: dict[str, list[str]] = {}
        for task in tasks:
            wanted.setdefault(manifest.group_of(task).name, []).append(task)
        features = self.graphs.run(manifest.backbone, {"image": images})
        found: dict[str, TaskResult] = {}
        for name, members in wanted.items():
            group = manifest.group(name)
            # The floats are taken before any quantisation; the operating point does not matter to them.
            available = dict(features, rate=np.full(len(images), manifest.default_rate, np.int64))
            floats = [name for name in self.graphs.inputs(group.reference) if name not in available]
            if floats:
                available |= self.graphs.run(group.encoder, available, floats)
            made = self.graphs.run(group.reference, available, [f"result_{task}" for task in members])
            found |= {task: checked_result(task, made[f"result_{task}"], group.reference) for task in members}
        return tuple(found[task] for task in tasks)
