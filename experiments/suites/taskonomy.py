"""The experiments' suite on Taskonomy (paper 4.1): its authors' networks, frozen, and its own labels; nothing but codecs is trained.

    weights/TASK_encoder-DIGEST.pth, TASK_decoder-DIGEST.pth --> features [8, 16, 16] and heads of six tasks, and of depth
    DOMAIN/taskonomy/BUILDING/... --random choice--> fit, validation, test: different buildings, by the official split

The tasks, their losses' weights and their figures are those of the suite on NYUv2, with Taskonomy's classes and the published networks'
results. Every feature has spatial dimensions. Depth is unseen: no codec is trained for it, and its original network is published as well.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from experiments.suites import nyuv2
from experiments.suites.published import PublishedHead, PublishedNetworks
from experiments.suites.suite import Suite
from experiments.suites.taskonomy_features import (
    ChosenViews,
    feature_scales,
    seen_sample,
    unseen_sample,
    write_features,
)
from experiments.suites.tasks import ExperimentTask
from shared.model.tasks import TASKS_OF_GROUP
from training.datasets.taskonomy import OBJECTS, SCENES, SEGMENTS
from training.datasets.taskonomy.encodings import FIRST_HOLE, STEPS_PER_METRE
from training.networks.hourglass import published_result

UNSEEN = ("depth",)
DEPTH_METRES = (0.0, FIRST_HOLE / STEPS_PER_METRE)
BACKGROUND = (0,)


@dataclass(frozen=True)
class FrameCounts:
    """At most so many frames of each split, chosen at random; the paper's are 51,316, 945 and 1,024 (paper 4.1)."""

    fit: int = 51_316
    validation: int = 945
    test: int = 1_024


@dataclass(frozen=True)
class OpenTaskonomy:
    """Opens the suite, writing features and labels where they are missing: 24 KB and 0.2 MB for each frame of fit.

    Raises DataError, naming it, for a file that is missing or refused, and where no frame of a split has a task's label.
    """

    data: Path
    weights: Path
    work: Path
    device: str
    with_unseen: bool
    frames: FrameCounts = FrameCounts()

    def __call__(self) -> Suite:
        networks = PublishedNetworks(self.weights, (*_seen(), *UNSEEN), self.device)
        views = {split: ChosenViews.at_random(self.data, split, most) for split, most in asdict(self.frames).items()}
        class_weights = views["fit"].dataset.segment_weights()
        tasks = {name: task for name, task in tasks_of(class_weights).items() if task.seen or self.with_unseen}
        for chosen in views.values():
            chosen.require_labels(tuple(tasks))
        folder = self.work / "experiments" / _folder_name(networks, views, tasks["segment_semantic"])
        scales = feature_scales(folder, views["fit"], networks, tuple(tasks))
        sets = {
            split: write_features(
                folder / split, chosen, seen_sample, networks, {task: scales[task] for task in _seen()}
            )
            for split, chosen in views.items()
        }
        if self.with_unseen:
            unseen = {task: scales[task] for task in UNSEEN}
            sets = {
                split: kept.with_arrays_of(
                    write_features(folder / f"{split}-unseen", views[split], unseen_sample, networks, unseen)
                )
                for split, kept in sets.items()
            }
        heads = nn.ModuleDict({task: PublishedHead(networks.decoder(task), scales[task]) for task in tasks})
        return Suite(
            "taskonomy", folder, tasks, TASKS_OF_GROUP, {}, heads, sets["fit"], sets["validation"], sets["test"],
            partial(_analyse, networks, tuple(tasks)), partial(_pictures, views), networks.digest,
        )  # fmt: skip


def tasks_of(class_weights: npt.NDArray[np.float32] | None) -> dict[str, ExperimentTask]:
    """The six tasks and depth; class_weights [17] are those of the segments' cross-entropy, where they are there."""
    changes: dict[str, dict[str, Any]] = {
        "class_scene": {"outputs": len(SCENES)},
        "class_object": {"outputs": OBJECTS},
        "segment_semantic": {
            "outputs": len(SEGMENTS),
            "background": BACKGROUND,
            "class_weights": () if class_weights is None else tuple(class_weights.tolist()),
        },
        "normal": {},
        "reshading": {},
        "principal_curvature": {},
        "depth": {"value_range": DEPTH_METRES},
    }
    return {
        name: replace(nyuv2.TASKS[name], values_of=partial(published_result, name), **changed)
        for name, changed in changes.items()
    }


def _seen() -> tuple[str, ...]:
    return tuple(task for tasks in TASKS_OF_GROUP.values() for task in tasks)


def _folder_name(networks: PublishedNetworks, views: dict[str, ChosenViews], segmentation: ExperimentTask) -> str:
    """Everything besides a run's own settings that its result depends on."""
    choice = [{split: chosen.names for split, chosen in views.items()}, segmentation.class_weights]
    return f"taskonomy-{networks.digest[:12]}-{hashlib.sha256(json.dumps(choice).encode()).hexdigest()[:8]}"


def _analyse(networks: PublishedNetworks, tasks: tuple[str, ...], pictures: npt.NDArray[np.uint8]) -> dict[str, Tensor]:
    return {task: networks.result(task, pictures) for task in tasks}


def _pictures(views: dict[str, ChosenViews], split: str) -> Sequence[npt.NDArray[np.uint8]]:
    return [views[split].picture(position) for position in range(len(views[split]))]
