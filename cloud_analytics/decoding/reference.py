"""The task networks without any coding.

Coded results are compared with theirs; the service never runs them.

    images --backbone--> feature maps --group encoder's float outputs--> --reference graph--> results

Law: pictures and backbone are the edge's own, and nothing is rounded on the way.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cloud_analytics.decoding.heads import TaskResult, checked_result
from shared.model.onnx_graphs import Graphs


@dataclass(frozen=True, eq=False)
class Reference:
    """The reference graphs of one bundle."""

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
