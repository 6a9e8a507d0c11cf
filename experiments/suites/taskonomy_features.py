"""Taskonomy's frames for the experiments: a random choice of views, their labels, and the published networks' features of them.

    views of a split --ChosenViews--> Sample: picture, labels --encoders, FeatureScale--> FeatureSet

Labels of fit are one pixel of four of the 256x256 (128x128, every second of every second row: experiments.suites.tasks.at_one_size),
those of validation and test are whole. What is unknown is -1, 255 or NaN.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from tqdm import tqdm

from experiments.suites.published import FeatureScale, PublishedNetworks
from experiments.suites.suite import COMPLETE, FeatureSet, FeatureWriter
from training.datasets.frame import IGNORE, INPUT_HEIGHT, INPUT_WIDTH, DataError, LabelledFrame, resize_channels
from training.datasets.taskonomy import Taskonomy

CHOICE_SEED = 20261127
BATCH = 16
SCALE_VIEWS = 200
LABEL_STEP = {"fit": 2, "validation": 1, "test": 1}
# the data set's name and file ending of each task's label
LABEL_FILES = {
    **{task: (task, "npy") for task in ("class_scene", "class_object")},
    **{task: (task, "png") for task in ("segment_semantic", "normal", "reshading", "principal_curvature")},
    "depth": ("depth_zbuffer", "png"),
}

Label = npt.NDArray[Any]


@dataclass(frozen=True)
class ChosenViews:
    """Some views of a split, in the data set's order."""

    dataset: Taskonomy
    split: str
    indices: tuple[int, ...]

    @classmethod
    def at_random(cls, data: Path, split: str, most: int) -> ChosenViews:
        """At most so many views, the same ones every time that the same ones are there; raises DataError as Taskonomy does."""
        dataset = Taskonomy(data, split)
        chosen = np.random.default_rng(CHOICE_SEED).choice(len(dataset), min(most, len(dataset)), replace=False)
        return cls(dataset, split, tuple(np.sort(chosen).tolist()))

    def __len__(self) -> int:
        return len(self.indices)

    @property
    def names(self) -> tuple[str, ...]:
        """BUILDING/point_P_view_V of each."""
        return tuple(str(self.dataset.views[index]) for index in self.indices)

    def picture(self, position: int) -> npt.NDArray[np.uint8]:
        """The network's input, uint8 [256, 256, 3]."""
        picture = self.dataset.picture(self.indices[position])
        return np.asarray(picture.resize((INPUT_WIDTH, INPUT_HEIGHT), Image.Resampling.BILINEAR))

    def require_labels(self, tasks: Sequence[str]) -> None:
        """Raises DataError, naming what to download, for a task of which no chosen view has a label's file."""
        for task in tasks:
            domain, suffix = LABEL_FILES[task]
            views = (self.dataset.views[index] for index in self.indices)
            if all(self.dataset.layout.file(view, domain, suffix) is None for view in views):
                raise DataError(
                    f"none of the {len(self)} chosen views of {self.split} in {self.dataset.layout.root} has a label of {task}: "
                    f"download the domain {domain} (docs/taskonomy.md)"
                )


@dataclass(frozen=True)
class Sample:
    """picture uint8 [256, 256, 3]; labels by task: int16 [] of a class, uint8 [h, w] of segments, float32 [C, h, w] otherwise."""

    picture: npt.NDArray[np.uint8]
    labels: Mapping[str, Label]


def seen_sample(views: ChosenViews, position: int) -> Sample:
    """Picture and the labels of the six tasks."""
    frame = views.dataset[views.indices[position]]
    step = LABEL_STEP[views.split]
    ids = np.full(frame.image.shape[:2], IGNORE, np.uint8) if frame.segment_semantic is None else frame.segment_semantic
    return Sample(
        frame.image,
        {
            "class_scene": np.array(-1 if frame.class_scene is None else frame.class_scene, np.int16),
            "class_object": np.array(-1 if frame.class_object is None else frame.class_object, np.int16),
            "segment_semantic": ids[::step, ::step],
            "normal": _dense(frame, frame.normal, 3)[:, ::step, ::step],
            "reshading": _dense(frame, frame.reshading, 1)[:, ::step, ::step],
            "principal_curvature": _dense(frame, frame.principal_curvature, 2)[:, ::step, ::step],
        },
    )


def unseen_sample(views: ChosenViews, position: int) -> Sample:
    """Picture and depth in metres; a pixel that touches a hole of the mesh is unknown."""
    metres = views.dataset.depth_metres(views.indices[position])
    step = LABEL_STEP[views.split]
    depth = (
        np.full((1, INPUT_HEIGHT, INPUT_WIDTH), np.nan, np.float32)
        if metres is None
        else resize_channels(metres.astype(np.float32)[None], INPUT_HEIGHT, INPUT_WIDTH)
    )
    return Sample(views.picture(position), {"depth": depth[:, ::step, ::step]})


def _dense(frame: LabelledFrame, values: npt.NDArray[np.float32] | None, channels: int) -> Label:
    """float32 [C, 256, 256], NaN where it is not known."""
    if values is None or frame.valid is None:
        return np.full((channels, *frame.image.shape[:2]), np.nan, np.float32)
    return np.where(frame.valid, values, np.float32(np.nan))


def feature_scales(
    folder: Path, views: ChosenViews, networks: PublishedNetworks, tasks: Sequence[str]
) -> dict[str, FeatureScale]:
    """The scale of each task's features, over some of `views`: read, or measured now."""
    scales = {}
    positions = np.linspace(0, len(views) - 1, min(SCALE_VIEWS, len(views))).astype(int).tolist()
    for task in tasks:
        path = folder / f"scale_{task}.json"
        if not path.exists():
            parts = [
                networks.feature(task, np.stack([views.picture(i) for i in positions[first : first + BATCH]])).cpu()
                for first in tqdm(range(0, len(positions), BATCH), desc=f"scale of {task}")
            ]
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(asdict(FeatureScale.of(task, torch.cat(parts)))))
        scales[task] = FeatureScale(**json.loads(path.read_text()))
    return scales


def write_features(
    folder: Path,
    views: ChosenViews,
    read: Callable[[ChosenViews, int], Sample],
    networks: PublishedNetworks,
    scales: Mapping[str, FeatureScale],
) -> FeatureSet:
    """Features of the tasks of `scales` and the labels that `read` gives, of every chosen view: read, or made now.

    The names of the views are left beside them, in views.txt: the choice is random, and it is published with the figures.
    """
    if (folder / COMPLETE).exists():
        return FeatureSet(folder)
    writer = FeatureWriter(folder, len(views))
    (folder / "views.txt").write_text("".join(f"{name}\n" for name in views.names))
    print(f"{folder.name}: {len(views)} of {len(views.dataset)} views, chosen at random with the seed {CHOICE_SEED}")
    with ThreadPoolExecutor() as pool:
        for first in tqdm(range(0, len(views), BATCH), desc=f"features of {folder.name}"):
            positions = range(first, min(first + BATCH, len(views)))
            samples = list(pool.map(lambda position: read(views, position), positions))
            pictures = np.stack([sample.picture for sample in samples])
            for task, scale in scales.items():
                writer.put(f"feature_{task}", first, scale.apply(networks.feature(task, pictures)).cpu().numpy())
            for task in samples[0].labels:
                writer.put(f"label_{task}", first, np.stack([sample.labels[task] for sample in samples]))
    return writer.finish()
