"""NYU Depth v2, labelled set (Silberman et al., ECCV 2012): rooms with segmentation, scene and depth-derived geometry.

    rgb/ + label40/ + depth/ + index.csv --> LabelledFrame at 256x256

The official split is `train` / `test`; `fit` and `validation` cut `train` by a fixed rule over runs of neighbouring frames, so that
choices are made without looking at the test frames. Geometry is derived at full size (docs/targets.md) and then resized.
"""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.datasets.frame import IGNORE, INPUT_HEIGHT, INPUT_WIDTH, DataError, LabelledFrame, resize_channels, unit
from training.datasets.geometry import GeometryTargets, Intrinsics, targets_from_depth

CAMERA = Intrinsics(fx=518.86, fy=519.47, cx=325.58 - 41, cy=253.74 - 45)
SCENES = (
    "bathroom", "bedroom", "bookstore", "classroom", "dining_room", "home_office", "kitchen", "living_room", "office", "other",
)  # fmt: skip
VALIDATION_RUN_FRAMES = 25
VALIDATION_EVERY = 8


@dataclass(frozen=True)
class IndexLine:
    """One line of index.csv."""

    index: str
    split: str
    scene10: str


class Nyuv2:
    """Frames of one split (`train`, `test`, `fit`, `validation`), ordered by index."""

    def __init__(self, root: Path, split: str) -> None:
        self.root = root
        with (root / "index.csv").open(newline="") as file:
            lines = [IndexLine(row["index"], row["split"], row["scene10"]) for row in csv.DictReader(file)]
        self.entries = _select(lines, split)
        classes = json.loads((root / "classes.json").read_text())
        self._to_13 = np.full(256, IGNORE, np.uint8)
        for label40, label13 in classes["label40_to_label13"].items():
            if label13:
                self._to_13[int(label40)] = int(label13) - 1

    def __len__(self) -> int:
        return len(self.entries)

    def picture(self, index: int) -> Image.Image:
        """The full RGB picture, 560x426."""
        return Image.open(self.root / "rgb" / f"{self.entries[index].index}.jpg").convert("RGB")

    def segmentation(self, index: int) -> Image.Image:
        """13-class ids (255 = unlabelled) at full size."""
        label = np.asarray(Image.open(self.root / "label40" / f"{self.entries[index].index}.png"))
        return Image.fromarray(self._to_13[label])

    def segmentation40(self, index: int) -> Image.Image:
        """40-class ids 0..39 (255 = unlabelled) at full size."""
        label = np.asarray(Image.open(self.root / "label40" / f"{self.entries[index].index}.png"))
        return Image.fromarray(np.where(label > 0, label - 1, IGNORE).astype(np.uint8))

    def depth_metres(self, index: int) -> npt.NDArray[np.float64]:
        """Depth [426, 560] in metres, in steps of 3.9 cm."""
        raw = np.asarray(Image.open(self.root / "depth" / f"{self.entries[index].index}.png"), np.float64)
        return (raw + 0.5) / 25.51

    def geometry(self, index: int) -> GeometryTargets:
        """Geometry labels at full size."""
        depth = self.depth_metres(index)
        return targets_from_depth(depth, CAMERA, np.ones(depth.shape, np.bool_))

    def scene(self, index: int) -> int:
        """Scene group 0..9 in the order of SCENES."""
        return SCENES.index(self.entries[index].scene10)

    def __getitem__(self, index: int) -> LabelledFrame:
        size = (INPUT_WIDTH, INPUT_HEIGHT)
        geometry = self.geometry(index)
        return LabelledFrame(
            name=self.entries[index].index,
            image=np.asarray(self.picture(index).resize(size, Image.Resampling.BILINEAR)),
            class_scene=self.scene(index),
            segment_semantic=np.asarray(self.segmentation(index).resize(size, Image.Resampling.NEAREST)),
            normal=unit(resize_channels(geometry.normal, INPUT_HEIGHT, INPUT_WIDTH)),
            reshading=resize_channels(geometry.reshading, INPUT_HEIGHT, INPUT_WIDTH),
            principal_curvature=resize_channels(geometry.principal_curvature, INPUT_HEIGHT, INPUT_WIDTH),
            valid=np.ones((INPUT_HEIGHT, INPUT_WIDTH), np.bool_),
        )


def _select(entries: list[IndexLine], split: str) -> list[IndexLine]:
    if split in ("train", "test"):
        return [entry for entry in entries if entry.split == split]
    if split not in ("fit", "validation"):
        raise DataError(f"NYUv2 has the splits train, test, fit and validation, not {split!r}")
    train = [entry for entry in entries if entry.split == "train"]
    held_out = split == "validation"
    # Frames of one room lie next to each other. Whole runs are held out, so that a room is hardly ever on both sides.
    return [
        entry
        for position, entry in enumerate(train)
        if (position // VALIDATION_RUN_FRAMES % VALIDATION_EVERY == VALIDATION_EVERY - 1) == held_out
    ]
