"""Suites and data for the experiments, real in every part but small.

A suite has a few frames of smooth random features and untrained heads. The privacy experiment's data folder is laid out as the real one.
Its pictures are patches of colour: the tiny bundle's features are averages of patches, so that an attack can learn to show them within
seconds.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn

from experiments.privacy.pictures import SourcePicture
from experiments.suites.nyuv2 import TASKS, VECTORS
from experiments.suites.suite import COMPLETE, FeatureSet, FeatureWriter, Suite
from shared.model.tasks import TASKS_OF_GROUP
from training.networks.task import ClassHead, DenseHead

FRAMES = {"fit": 12, "validation": 2, "test": 3}
LABEL_PX = 64


@dataclass(frozen=True)
class OpenSmallSuite:
    """Opens the suite in `folder`, and makes its features where they are missing, with the same numbers every time."""

    folder: Path

    def __call__(self) -> Suite:
        heads = _heads()
        sets = {
            split: _features(self.folder / split, frames, seed, heads)
            for seed, (split, frames) in enumerate(FRAMES.items())
        }
        return Suite(
            "small", self.folder, TASKS, TASKS_OF_GROUP, VECTORS, heads, sets["fit"], sets["validation"], sets["test"],
            Analysis(heads), _pictures, "0" * 64,
        )  # fmt: skip


@dataclass(frozen=True, eq=False)
class Analysis:
    """The original networks: a picture's colours are shrunk to a feature, which goes through the heads."""

    heads: nn.ModuleDict

    @torch.inference_mode()
    def __call__(self, pictures: npt.NDArray[np.uint8]) -> dict[str, Tensor]:
        small = torch.from_numpy(pictures.astype(np.float32)).permute(0, 3, 1, 2) / 127.5 - 1
        feature = nn.functional.interpolate(small, size=(16, 16), mode="area").repeat(1, 3, 1, 1)[:, :8]
        flat = feature.flatten(1)
        return {
            task: head(flat[:, : VECTORS[task]] if task in VECTORS else feature) for task, head in self.heads.items()
        }


class SpatialHead(nn.Module):
    """A class head on a feature with spatial dimensions."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = nn.Linear(8, 10)

    def forward(self, feature: Tensor) -> Tensor:
        return self.classifier(feature.mean((2, 3)))


def _heads() -> nn.ModuleDict:
    torch.manual_seed(1)
    heads: dict[str, nn.Module] = {}
    for name, task in TASKS.items():
        if name in VECTORS:
            heads[name] = ClassHead(VECTORS[name], task.outputs)
        else:
            heads[name] = SpatialHead() if task.kind == "class" else DenseHead(task.outputs)
    return nn.ModuleDict(heads).eval().requires_grad_(False)


@torch.no_grad()
def _features(folder: Path, frames: int, seed: int, heads: nn.ModuleDict) -> FeatureSet:
    if (folder / COMPLETE).exists():
        return FeatureSet(folder)
    writer = FeatureWriter(folder, frames)
    rng = np.random.default_rng(seed)
    for name in TASKS:
        if name in VECTORS:
            feature = rng.normal(0, 1, (frames, VECTORS[name])).astype(np.float32)
        else:
            coarse = torch.from_numpy(rng.normal(0, 1, (frames, 8, 4, 4)).astype(np.float32))
            feature = nn.functional.interpolate(coarse, size=(16, 16), mode="bicubic").numpy()
        writer.put(f"feature_{name}", 0, feature)
        raw = heads[name](torch.from_numpy(feature.astype(np.float16)).float())
        if raw.dim() == 4 and keeps_originals(folder):
            writer.put(f"raw_{name}", 0, raw.numpy())
        writer.put(f"label_{name}", 0, _label(name, raw, rng))
    return writer.finish()


def keeps_originals(folder: Path) -> bool:
    """Return True for the frames that are trained on, as the real suites do."""
    return folder.name == "fit"


def _label(name: str, raw: Tensor, rng: np.random.Generator) -> npt.NDArray[np.generic]:
    """Return what the untrained networks say, partly wrong and partly unknown, so that every figure lies between its bounds."""
    task = TASKS[name]
    if task.kind == "class":
        label = raw.argmax(1).numpy().astype(np.int16)
        label[0] = -1 if len(label) > 2 else label[0]
        return label
    large = nn.functional.interpolate(raw, size=(LABEL_PX, LABEL_PX), mode="bilinear")
    if task.kind == "segmentation":
        ids = large.argmax(1).numpy().astype(np.uint8)
        ids[:, :8] = 255
        ids[:, 8:16] = rng.integers(0, task.outputs, ids[:, 8:16].shape)
        return ids
    values = large.numpy().astype(np.float32) + rng.normal(0, 0.1, large.shape).astype(np.float32)
    values = np.clip(values, *task.value_range) if task.kind == "values" else values
    values[:, :, :4] = np.nan
    return values


def _pictures(split: str) -> Sequence[npt.NDArray[np.uint8]]:
    rng = np.random.default_rng(9)
    coarse = rng.integers(0, 256, (FRAMES[split], 8, 8, 3), dtype=np.uint8)
    return [np.asarray(Image.fromarray(one).resize((256, 256), Image.Resampling.BICUBIC)) for one in coarse]


PATCHES = 4
TRAIN, TEST, HOUSES, SAMPLES = 32, 8, 3, 7
RUN_FRAMES = 2
"""With runs of so many neighbouring frames (training.datasets.nyuv2), every eighth run of TRAIN frames is for validation."""


def patches(seed: int, side: int = 256) -> npt.NDArray[np.uint8]:
    """Return uint8 [side, side, 3]: 4x4 patches of random colours."""
    colours = np.random.default_rng([77, seed]).integers(0, 256, (PATCHES, PATCHES, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(colours).resize((side, side), Image.Resampling.NEAREST))


def sources(count: int, views: int, first_seed: int = 0) -> list[SourcePicture]:
    """Return sources in memory, each of its own colours."""
    return [SourcePicture(f"patches {i}", Patches(first_seed + i), views) for i in range(count)]


class Patches:
    """Opens the picture of a seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self) -> Image.Image:
        return Image.fromarray(patches(self.seed))


def write_data(data: Path) -> Path:
    """Write a data folder with the names that the real one has, and return it."""
    rooms = data / "nyuv2"
    (rooms / "rgb").mkdir(parents=True)
    (rooms / "classes.json").write_text(json.dumps({"label40_to_label13": {}}))
    with (rooms / "index.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["index", "split", "scene10"])
        for i in range(TRAIN + TEST):
            writer.writerow([f"{i:04}", "train" if i < TRAIN else "test", "kitchen"])
            _save(rooms / "rgb" / f"{i:04}.jpg", i)
    for i in range(HOUSES):
        _save(data / "houses" / "kitchen" / f"{i:03}.jpg", 1000 + i)
    (data / "imagenet_samples").mkdir()
    (data / "imagenet_samples" / "labels.csv").write_text("file,class_index\n")
    return data


def write_samples(folder: Path, rooms: Sequence[str] = ("kitchen",)) -> Path:
    """Write pictures as they are shipped, and return their folder."""
    for room in rooms:
        for i in range(SAMPLES):
            _save(folder / room / f"{i:03}.jpg", 2000 + i)
    return folder


def _save(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(patches(seed)).save(path, quality=95)
