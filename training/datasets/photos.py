"""Three kinds of folders of photos: labelled photos for the object class, house photos and rooms for distillation.

Labelled photos have `labels.csv` with `file,class_index` (ImageNet-1000 order) and optionally `split`. Without that column, every
third photo in the file's order is `test`, and the others are `train`; `all` is the whole folder.
House photos (Ahmed and Moustafa, 2016) lie in a folder for each room type, which is their scene label.
Rooms have `index.csv` with `file,scene,source`. Every eighth of a scene is `validation`, the others are `fit`.
"""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageOps

from training.datasets.frame import INPUT_HEIGHT, INPUT_WIDTH, DataError, LabelledFrame
from training.datasets.nyuv2 import SCENES

TEST_EVERY = 3
ROOMS = ("bathroom", "bedroom", "kitchen")
ROOM_VALIDATION_EVERY = 8


class _Photos:
    """The photos `files`."""

    files: list[Path]

    def __len__(self) -> int:
        return len(self.files)

    def picture(self, index: int) -> Image.Image:
        """The photo, upright RGB."""
        return ImageOps.exif_transpose(Image.open(self.files[index])).convert("RGB")

    def image(self, index: int) -> npt.NDArray[np.uint8]:
        """The photo at the network's input size."""
        return np.asarray(self.picture(index).resize((INPUT_WIDTH, INPUT_HEIGHT), Image.Resampling.BILINEAR))


class LabelledPhotos(_Photos):
    """Photos with an object class."""

    def __init__(self, root: Path, split: str) -> None:
        self.root = root
        with (root / "labels.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        if not rows or not {"file", "class_index"} <= rows[0].keys():
            raise DataError(f"{root / 'labels.csv'} needs the columns file,class_index and at least one line")
        by_position = ["test" if i % TEST_EVERY == TEST_EVERY - 1 else "train" for i in range(len(rows))]
        kept = [row for row, own in zip(rows, by_position) if split in ("all", row.get("split") or own)]
        if not kept:
            raise DataError(f"{root} has no photos in split {split!r}: use train, test or all")
        self.files = [root / row["file"] for row in kept]
        self.classes = [_class_index(row["class_index"], root) for row in kept]

    def __getitem__(self, index: int) -> LabelledFrame:
        name = str(self.files[index].relative_to(self.root))
        return LabelledFrame(name, self.image(index), class_object=self.classes[index])


def _class_index(text: str, root: Path) -> int:
    if not text.isdigit() or int(text) > 999:
        raise DataError(f"{root / 'labels.csv'}: class_index {text!r} is not a number from 0 to 999")
    return int(text)


class HousePhotos(_Photos):
    """Photos of bathrooms, bedrooms and kitchens; the only split is `all`."""

    def __init__(self, root: Path, split: str) -> None:
        if split != "all":
            raise DataError(f"the house photos have only the split all, not {split!r}")
        self.files = [path for room in ROOMS for path in sorted((root / room).glob("*.jpg"))]

    def scene(self, index: int) -> int:
        """Scene group 0..9 in the order of SCENES."""
        return SCENES.index(self.files[index].parent.name)

    def __getitem__(self, index: int) -> LabelledFrame:
        return LabelledFrame(self.files[index].name, self.image(index), class_scene=self.scene(index))


class RoomPhotos(_Photos):
    """Photos of rooms with their scene; the splits are `fit`, `validation` and `all`."""

    def __init__(self, root: Path, split: str) -> None:
        if split not in ("fit", "validation", "all"):
            raise DataError(f"rooms have the splits fit, validation and all, not {split!r}")
        self.root = root
        with (root / "index.csv").open(newline="") as file:
            rows = sorted((row["scene"], row["file"]) for row in csv.DictReader(file))
        seen: Counter[str] = Counter()
        kept = []
        for scene, name in rows:
            seen[scene] += 1
            if split in ("all", "validation" if seen[scene] % ROOM_VALIDATION_EVERY == 0 else "fit"):
                kept.append((scene, name))
        self.files = [root / name for _, name in kept]
        self.scenes = [scene for scene, _ in kept]

    def scene(self, index: int) -> int:
        """Scene group 0..9 in the order of SCENES; one without a group of its own is `other`."""
        name = self.scenes[index]
        return SCENES.index(name if name in SCENES else "other")

    def __getitem__(self, index: int) -> LabelledFrame:
        return LabelledFrame(self.files[index].name, self.image(index), class_scene=self.scene(index))
