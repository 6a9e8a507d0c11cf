"""A small Taskonomy: files of the published layouts, names and encodings, random inside."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from training.datasets.taskonomy.classes import SCENE_OF_PLACE

LAYOUTS = ("{domain}/taskonomy/{building}", "{domain}/{building}", "{building}/{domain}")
# carriage returns alone, as in the official files
SPLITS = "id,train,val,test\rallensville,1,0,0\rbeechwood,1,0,0\rdarden,0,1,0\rmcdade,0,0,1\rnowhere,1,0,0"
BUILDINGS = ("allensville", "beechwood", "darden", "mcdade")
KITCHEN = list(SCENE_OF_PLACE).index(203)


def write(path: Path, stored: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".npy":
        np.save(path, stored)
    else:
        Image.fromarray(stored).save(path)


def stored_labels(seed: int, side: int = 32) -> dict[str, np.ndarray]:
    """Domain and file ending of one view's files -> what they hold."""
    rng = np.random.default_rng(seed)
    facing = rng.integers(0, 256, (side, side, 3), np.uint8)
    facing[..., 2] = rng.integers(0, 40, (side, side))
    places = rng.uniform(0, 0.001, (1, 365)).astype(np.float32)
    places[0, 203] = 0.5
    places[0, 0] = 0.9
    objects = rng.normal(size=1000).astype(np.float32)
    objects[7 + seed] = 9.0
    return {
        "rgb rgb.png": rng.integers(0, 256, (side, side, 3), np.uint8),
        "depth_zbuffer depth_zbuffer.png": rng.integers(512, 4096, (side, side), np.uint16),
        "normal normal.png": facing,
        "principal_curvature principal_curvature.png": rng.integers(0, 255, (side, side, 3), np.uint8),
        "reshading reshading.png": rng.integers(0, 256, (side, side), np.uint8),
        "segment_semantic segmentsemantic.png": rng.integers(0, 18, (side, side), np.uint8),
        "class_scene class_places.npy": places,
        "class_object class_object.npy": objects,
    }


def file_of(root: Path, layout: str, building: str, view: str, domain_and_ending: str) -> Path:
    domain, ending = domain_and_ending.split()
    return root / layout.format(domain=domain, building=building) / f"{view}_domain_{ending}"


def write_world(root: Path, layout: str = LAYOUTS[0]) -> Path:
    """Three views in each of four buildings."""
    root.mkdir(exist_ok=True)
    (root / "train_val_test_tiny.csv").write_text(SPLITS, newline="")
    for number, building in enumerate(BUILDINGS):
        for view in ("point_10_view_0", "point_2_view_1", "point_2_view_0"):
            for label, stored in stored_labels(number).items():
                write(file_of(root, layout, building, view, label), stored)
    return root
