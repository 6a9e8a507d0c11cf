"""The attacker's own pictures, and those that he is judged by.

    NYUv2 fit, house photos --training.views--> views at the network's input: what he trains on
    NYUv2 validation, test; shipped samples ----> whole pictures: what he chooses by, and what he is judged by

Law: a view depends on its source and its number alone, and no judged picture is among the sources of the training views.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.data.sources import SOURCE_HEIGHT, SOURCE_WIDTH
from training.data.views import INPUT_PX, WHOLE, augmented_image, random_augmentation
from training.datasets.nyuv2 import Nyuv2
from training.datasets.photos import HousePhotos

UInt8Array = npt.NDArray[np.uint8]

VIEWS_SEED = 20261128
ROOM_VIEWS, HOUSE_VIEWS = 12, 3
JUDGED = ("validation", "test", "samples")


@dataclass(frozen=True)
class SourcePicture:
    """One picture on disk. read: opens it as upright RGB. views: how many are made of it, the first being the whole. name: says which."""

    name: str
    read: Callable[[], Image.Image]
    views: int


Sources = Mapping[str, Sequence[SourcePicture]]
"""The sources by split: `fit` with its views, and each of JUDGED."""


def sources_of(data: Path, samples: Path) -> dict[str, list[SourcePicture]]:
    """Every split's sources. data: the folder with nyuv2/ and houses/. samples: the shipped pictures, <room>/<number>.jpg."""
    rooms, houses = Nyuv2(data / "nyuv2", "fit"), HousePhotos(data / "houses", "all")
    fit = [
        SourcePicture(f"nyuv2 {e.index}", partial(rooms.picture, i), ROOM_VIEWS) for i, e in enumerate(rooms.entries)
    ]
    fit += [
        SourcePicture(f"houses {path.parent.name}/{path.stem}", partial(houses.picture, i), HOUSE_VIEWS)
        for i, path in enumerate(houses.files)
    ]
    found = {"fit": fit}
    for split in ("validation", "test"):
        frames = Nyuv2(data / "nyuv2", split)
        found[split] = [
            SourcePicture(f"nyuv2 {e.index}", partial(frames.picture, i), 1) for i, e in enumerate(frames.entries)
        ]
    found["samples"] = [
        SourcePicture(f"{path.parent.name} {path.stem}", partial(_open, path), 1)
        for path in sorted(samples.glob("*/*.jpg"))
    ]
    return found


def views_of(source: SourcePicture, seed: int) -> UInt8Array:
    """uint8 [views, 256, 256, 3]; the first is the whole picture, the others are crops, mirrored and recoloured."""
    picture = source.read()
    whole = np.asarray(picture.resize((INPUT_PX, INPUT_PX), Image.Resampling.BILINEAR))
    if source.views == 1:
        return whole[None]
    stretched = np.asarray(picture.resize((SOURCE_WIDTH, SOURCE_HEIGHT), Image.Resampling.BILINEAR))
    rng = np.random.default_rng([VIEWS_SEED, seed])
    changes = [WHOLE, *(random_augmentation(rng) for _ in range(source.views - 1))]
    return np.stack([augmented_image(stretched, change) for change in changes])


def _open(path: Path) -> Image.Image:
    return Image.open(path).convert("RGB")
