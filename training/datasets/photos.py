"""A folder of labelled photos: `labels.csv` with `file,class_index` (ImageNet-1000 order) and optionally `split`.

Without a `split` column, every third photo in the file's order is `test`, and the others are `train`; `all` is the whole folder.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from training.datasets.frame import INPUT_HEIGHT, INPUT_WIDTH, DataError, LabelledFrame

TEST_EVERY = 3


class LabelledPhotos:
    """Photos with an object class."""

    def __init__(self, root: Path, split: str) -> None:
        self.root = root
        with (root / "labels.csv").open(newline="") as file:
            rows = list(csv.DictReader(file))
        if not rows or not {"file", "class_index"} <= rows[0].keys():
            raise DataError(f"{root / 'labels.csv'} needs the columns file,class_index and at least one line")
        kept = [row for position, row in enumerate(rows) if split == "all" or _split_of(row, position) == split]
        if not kept:
            raise DataError(f"{root} has no photos in split {split!r}: use train, test or all")
        self.files = [row["file"] for row in kept]
        self.classes = [_class_index(row["class_index"], root) for row in kept]

    def __len__(self) -> int:
        return len(self.files)

    def picture(self, index: int) -> Image.Image:
        """The photo, upright RGB."""
        return ImageOps.exif_transpose(Image.open(self.root / self.files[index])).convert("RGB")

    def __getitem__(self, index: int) -> LabelledFrame:
        image = self.picture(index).resize((INPUT_WIDTH, INPUT_HEIGHT), Image.Resampling.BILINEAR)
        return LabelledFrame(self.files[index], np.asarray(image), class_object=self.classes[index])


def _split_of(row: dict[str, str], position: int) -> str:
    return row.get("split") or ("test" if position % TEST_EVERY == TEST_EVERY - 1 else "train")


def _class_index(text: str, root: Path) -> int:
    if not text.isdigit() or int(text) > 999:
        raise DataError(f"{root / 'labels.csv'}: class_index {text!r} is not a number from 0 to 999")
    return int(text)
