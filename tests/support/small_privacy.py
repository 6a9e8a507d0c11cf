"""Everything that the privacy experiment reads, small: a data folder laid out as the real one, samples, and patches of colour as pictures.

The tiny bundle's features are averages of patches, so that an attack can learn to show them within seconds.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from experiments.privacy.pictures import Source

PATCHES = 4
TRAIN, TEST, HOUSES, SAMPLES = 32, 8, 3, 7
RUN_FRAMES = 2
"""With runs of so many neighbouring frames (training.datasets.nyuv2), every eighth run of TRAIN frames is for validation."""


def patches(seed: int, side: int = 256) -> npt.NDArray[np.uint8]:
    """uint8 [side, side, 3]: 4x4 patches of random colours."""
    colours = np.random.default_rng([77, seed]).integers(0, 256, (PATCHES, PATCHES, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(colours).resize((side, side), Image.Resampling.NEAREST))


def sources(count: int, views: int, first_seed: int = 0) -> list[Source]:
    """Sources in memory, each of its own colours."""
    return [Source(f"patches {i}", Patches(first_seed + i), views) for i in range(count)]


class Patches:
    """Opens the picture of a seed."""

    def __init__(self, seed: int) -> None:
        self.seed = seed

    def __call__(self) -> Image.Image:
        return Image.fromarray(patches(self.seed))


def write_data(data: Path) -> Path:
    """A data folder with the names that the real one has; returns it."""
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
    """Shipped pictures; returns their folder."""
    for room in rooms:
        for i in range(SAMPLES):
            _save(folder / room / f"{i:03}.jpg", 2000 + i)
    return folder


def _save(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(patches(seed)).save(path, quality=95)
