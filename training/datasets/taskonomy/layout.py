"""The places of Taskonomy's files: the buildings of a split, the views of a building, and the file of a view's label.

    rgb/taskonomy/allensville/point_0_view_1_domain_rgb.png   as omnidata-tools' `omnitools.download` unpacks
    rgb/allensville/point_0_view_1_domain_rgb.png             as the authors' PyTorch loaders expect
    allensville/rgb/point_0_view_1_domain_rgb.png             the archives allensville_rgb.tar, ... unpacked per building

All three hold the same file names. A domain's file may lie in another layout than the pictures. The official split files
(train_val_test_{tiny,medium,full,fullplus}.csv: id,train,val,test) agree with one another, so the longest of those present is read.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from pathlib import Path

from training.datasets.frame import DataError

FOLDERS = ("{domain}/taskonomy/{building}", "{domain}/{building}", "{building}/{domain}")
SPLIT_FOLDERS = (".", "splits_taskonomy", "splits")
SPLIT_FILES = "train_val_test_*.csv"
COLUMNS = ("train", "val", "test")
# Buildings part the data already, so that there is nothing to hold out of `train`.
COLUMN_OF_SPLIT = {"train": "train", "fit": "train", "val": "val", "validation": "val", "test": "test"}
PICTURE_NAME = re.compile(r"point_(\d+)_view_(\d+)_domain_rgb\.png")
# Two domains bear older names in their files than on their folders (alexsax/taskonomy-sample-model-1).
FILE_DOMAINS = {
    "class_scene": ("class_scene", "class_places"),
    "segment_semantic": ("segment_semantic", "segmentsemantic"),
}


@dataclass(frozen=True, order=True, slots=True)
class TaskonomyView:
    """One picture: a camera's view of a point in a building."""

    building: str
    point: int
    view: int

    def __str__(self) -> str:
        return f"{self.building}/point_{self.point}_view_{self.view}"


class Layout:
    """The files of a data folder."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._folders: dict[tuple[str, str], Path | None] = {}

    def views(self, split: str) -> list[TaskonomyView]:
        """The views of a split that have a picture, ordered by building, point and view.

        Raises DataError for an unknown split, without a split file, and where no building of the split has pictures.
        """
        buildings = self._buildings(split)
        found = [view for building in sorted(buildings) for view in self._views_of(building)]
        if not found:
            tried = ", ".join(folder.format(domain="rgb", building="BUILDING") for folder in FOLDERS)
            raise DataError(
                f"{self.root} has no pictures point_*_view_*_domain_rgb.png of the {len(buildings)} buildings in split {split!r}, in "
                f"none of {tried}: download the domain rgb of that split"
            )
        return found

    def file(self, view: TaskonomyView, domain: str, suffix: str = "png") -> Path | None:
        """The file of a view in a domain (`rgb`, `normal`, ...), or None where there is none."""
        folder = self._folder(view.building, domain)
        if folder is None:
            return None
        stem = f"point_{view.point}_view_{view.view}_domain_"
        candidates = (folder / f"{stem}{name}.{suffix}" for name in FILE_DOMAINS.get(domain, (domain,)))
        return next((path for path in candidates if path.is_file()), None)

    def _buildings(self, split: str) -> list[str]:
        if split not in COLUMN_OF_SPLIT:
            raise DataError(f"Taskonomy has the splits {', '.join(COLUMN_OF_SPLIT)}, not {split!r}")
        tables = [_read_split(path) for path in _split_files(self.root)]
        if not tables:
            raise DataError(
                f"{self.root} has no {SPLIT_FILES}: put the files of the official splits_taskonomy.zip beside the data"
            )
        chosen = max(tables, key=len)
        return [building for building, column in chosen.items() if column == COLUMN_OF_SPLIT[split]]

    def _views_of(self, building: str) -> list[TaskonomyView]:
        folder = self._folder(building, "rgb")
        if folder is None:
            return []
        matches = (PICTURE_NAME.fullmatch(path.name) for path in folder.iterdir())
        return sorted(TaskonomyView(building, int(match[1]), int(match[2])) for match in matches if match)

    def _folder(self, building: str, domain: str) -> Path | None:
        key = (building, domain)
        if key not in self._folders:
            candidates = (self.root / folder.format(domain=domain, building=building) for folder in FOLDERS)
            self._folders[key] = next((path for path in candidates if path.is_dir()), None)
        return self._folders[key]


def is_taskonomy(root: Path) -> bool:
    """Return True for a folder with an official split file, by which Taskonomy is told from other data sets."""
    return bool(_split_files(root))


def _split_files(root: Path) -> list[Path]:
    return [path for folder in SPLIT_FOLDERS for path in sorted((root / folder).glob(SPLIT_FILES))]


def _read_split(path: Path) -> dict[str, str]:
    """Building -> train, val or test. The official files end their lines with carriage returns alone, which csv reads too."""
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    table: dict[str, str] = {}
    for row in rows:
        chosen = [column for column in COLUMNS if row.get(column) == "1"]
        if not row.get("id") or len(chosen) != 1:
            raise DataError(
                f"{path}: the building {row.get('id')!r} is in {len(chosen)} splits; every line needs id,train,val,test with one 1 "
                "(the file of the subset `debug` has its building in all three: take another)"
            )
        table[row["id"]] = chosen[0]
    return table
