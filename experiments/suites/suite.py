"""The ground of an experiment: frozen task networks, their features on every frame, and the labels.

    work folder (taxon train) --> Suite: tasks, heads, and per split a FeatureSet: h_t and label of every task, memory-mapped

A codec's training reads features and runs heads, nothing else; the pictures are needed once, when the features are written.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from experiments.suites.tasks import ExperimentTask

COMPLETE = "complete.json"


@dataclass(frozen=True)
class FeatureBatch:
    """features {task: float32 [N, ...]}, labels {task: int64 or float32, as experiments.suites.tasks.task_loss takes them}.

    originals {task: float32 [N, C, h, w]}: raw results of the original networks, of dense tasks, where they are kept (fit).
    """

    features: Mapping[str, Tensor]
    labels: Mapping[str, Tensor]
    originals: Mapping[str, Tensor]

    def to(self, device: str) -> FeatureBatch:
        """The same batch on `device`."""
        parts = (self.features, self.labels, self.originals)
        return FeatureBatch(
            *({name: value.to(device, non_blocking=True) for name, value in part.items()} for part in parts)
        )


class FeatureSet:
    """The frames of one split: `feature_<task>.bin` float16, `label_<task>.bin`, `raw_<task>.bin`, as `FeatureWriter` wrote them."""

    def __init__(self, folder: Path) -> None:
        described = json.loads((folder / COMPLETE).read_text())
        self.count = int(described["frames"])
        self.arrays = {
            name: np.memmap(folder / f"{name}.bin", dtype, "r", shape=(self.count, *shape))
            for name, (dtype, shape) in described["arrays"].items()
        }

    def __len__(self) -> int:
        return self.count

    def with_arrays_of(self, other: FeatureSet) -> FeatureSet:
        """These frames with `other`'s arrays beside their own; raises ValueError unless both are of as many frames."""
        if len(other) != len(self):
            raise ValueError(f"feature sets of {len(self)} and {len(other)} frames are not of the same frames")
        joined = copy.copy(self)
        joined.arrays = self.arrays | other.arrays
        return joined

    def random(self, seed: int, step: int, count: int) -> npt.NDArray[np.int64]:
        """The frames of a training step: different ones, drawn from the seed and the step alone."""
        return np.sort(np.random.default_rng([seed, step]).choice(self.count, count, replace=False))

    def batch(self, indices: npt.NDArray[np.int64], features: Sequence[str], labels: Sequence[str]) -> FeatureBatch:
        """The features and labels of the named tasks; a task without labels here has none in the batch."""
        return FeatureBatch(
            {task: self._take(f"feature_{task}", indices).float() for task in features},
            {task: self._label(task, indices) for task in labels if f"label_{task}" in self.arrays},
            {task: self._take(f"raw_{task}", indices).float() for task in labels if f"raw_{task}" in self.arrays},
        )

    def _label(self, task: str, indices: npt.NDArray[np.int64]) -> Tensor:
        label = self._take(f"label_{task}", indices)
        return label.float() if label.is_floating_point() else label.long()

    def _take(self, name: str, indices: npt.NDArray[np.int64]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(self.arrays[name][indices]))


class FeatureWriter:
    """Writes the arrays of a FeatureSet frame by frame; the folder counts as complete only after `finish`."""

    def __init__(self, folder: Path, frames: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.frames = folder, frames
        self.arrays: dict[str, np.memmap[Any, np.dtype[Any]]] = {}

    def put(self, name: str, first: int, values: npt.NDArray[Any]) -> None:
        """Store `values` [N, ...] as the frames `first` .. of the array `name`; floats are kept as float16."""
        dtype = np.dtype(np.float16) if values.dtype.kind == "f" else values.dtype
        if name not in self.arrays:
            self.arrays[name] = np.memmap(
                self.folder / f"{name}.bin", dtype, "w+", shape=(self.frames, *values.shape[1:])
            )
        self.arrays[name][first : first + len(values)] = values

    def finish(self) -> FeatureSet:
        """Flush and open for reading."""
        for array in self.arrays.values():
            array.flush()
        described = {name: (array.dtype.str, array.shape[1:]) for name, array in self.arrays.items()}
        (self.folder / COMPLETE).write_text(json.dumps({"frames": self.frames, "arrays": described}))
        return FeatureSet(self.folder)


@dataclass(frozen=True)
class Suite:
    """Everything that an experiment needs to know of a data set and its networks.

    groups: the paper's Trinity. vectors: tasks whose feature has no spatial dimensions, with its length. folder: where runs are kept; it
    belongs to exactly these networks. analyse: pictures uint8 [N, 256, 256, 3] -> raw results of the original networks, by task; every
    task of the suite, unseen ones included. networks_sha256: of the task networks' weights.
    """

    name: str
    folder: Path
    tasks: Mapping[str, ExperimentTask]
    groups: Mapping[str, tuple[str, ...]]
    vectors: Mapping[str, int]
    heads: nn.ModuleDict
    fit: FeatureSet
    validation: FeatureSet
    test: FeatureSet
    analyse: Callable[[npt.NDArray[np.uint8]], dict[str, Tensor]]
    pictures: Callable[[str], Sequence[npt.NDArray[np.uint8]]]
    networks_sha256: str

    @property
    def seen(self) -> tuple[str, ...]:
        """The tasks that codecs are trained for, group by group."""
        return tuple(task for tasks in self.groups.values() for task in tasks)

    def split(self, name: str) -> FeatureSet:
        """`fit`, `validation` or `test`."""
        return {"fit": self.fit, "validation": self.validation, "test": self.test}[name]
