"""Data sets as sequences of LabelledFrame, told apart by what their folder holds (numpy and Pillow only)."""

from __future__ import annotations

from pathlib import Path

from training.datasets.frame import DataError, FrameDataset, LabelledFrame
from training.datasets.nyuv2 import Nyuv2
from training.datasets.photos import ROOMS, HousePhotos, LabelledPhotos
from training.datasets.taskonomy import Taskonomy, is_taskonomy

__all__ = ["DataError", "FrameDataset", "LabelledFrame", "open_dataset"]


def open_dataset(path: Path | str, split: str) -> FrameDataset:
    """Open NYUv2 (`index.csv`), Taskonomy (`train_val_test_*.csv`), labelled photos (`labels.csv`) or house photos (bathroom/, ...).

    Raises DataError, naming what is missing, for anything else.
    """
    root = Path(path)
    if not root.is_dir():
        raise DataError(f"there is no data folder {root}: --data takes a folder, or the name of one in TAXON_DATA")
    if (root / "labels.csv").is_file():
        return LabelledPhotos(root, split)
    if all((root / name).exists() for name in ("index.csv", "classes.json", "rgb", "depth", "label40")):
        return Nyuv2(root, split)
    if is_taskonomy(root):
        return Taskonomy(root, split)
    if all((root / room).is_dir() for room in ROOMS):
        return HousePhotos(root, split)
    raise DataError(
        f"{root} is none of: NYUv2 (index.csv, classes.json, rgb/, depth/, label40/), Taskonomy (train_val_test_*.csv), "
        f"labelled photos (labels.csv), house photos ({'/, '.join(ROOMS)}/)"
    )
