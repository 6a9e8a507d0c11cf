"""Training pictures with everything that is known of them, at a size from which views are cut.

    NYUv2 picture --+--> picture 384x288, 13-class ids, scene, geometry (docs/targets.md)
    house photo   --+--> picture, scene                                                    --> TrainingFrame, one .npz each
    labelled photo -+--> picture, object class
                    +--> teacher probabilities of MOSAIC (ADE20K), where its files are given

Written once to the work folder; a frame that is already there is skipped, so the step can be stopped and resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from training.data.teachers import MosaicTeacher
from training.datasets.frame import resize_channels
from training.datasets.houses import HousePhotos
from training.datasets.nyuv2 import Nyuv2
from training.datasets.photos import LabelledPhotos

SOURCE_HEIGHT, SOURCE_WIDTH = 288, 384
GEOMETRY_SCALE = 127.0


@dataclass(frozen=True)
class TrainingFrame:
    """One picture and what is known of it; None or -1 where nothing is.

    image uint8 [288, 384, 3] (stretched), segmentation uint8 [288, 384], geometry int8 [6, 288, 384] / 127 (normal, reshading,
    two curvatures), mosaic uint8 [32, 64, 64] / 255, scene and object class.
    """

    image: npt.NDArray[np.uint8]
    segmentation: npt.NDArray[np.uint8] | None
    geometry: npt.NDArray[np.int8] | None
    mosaic: npt.NDArray[np.uint8] | None
    scene: int
    object_class: int

    def save(self, path: Path) -> None:
        """Write to `path` whole or not at all."""
        arrays = {name: value for name, value in vars(self).items() if value is not None}
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            np.savez(file, **arrays)
        temporary.rename(path)

    @classmethod
    def load(cls, path: Path) -> TrainingFrame:
        """Read what `save` wrote."""
        with np.load(path) as data:
            optional = {name: data.get(name) for name in ("segmentation", "geometry", "mosaic")}
            return cls(data["image"], **optional, scene=int(data["scene"]), object_class=int(data["object_class"]))


def prepare_sources(data: Path, work: Path) -> None:
    """Write the source frames of NYUv2 `train`, the house photos and the labelled photos' `train` split under `work`/sources."""
    teacher = MosaicTeacher(data / "teachers")
    nyuv2 = Nyuv2(data / "nyuv2", "train")
    houses = HousePhotos(data / "houses", "all")
    photos = LabelledPhotos(data / "imagenet_samples", "train")
    jobs = [
        *_jobs("nyuv2", [entry.index for entry in nyuv2.entries], lambda i: _nyuv2_frame(nyuv2, i, teacher)),
        *_jobs(
            "houses",
            [f"{path.parent.name}-{path.stem}" for path in houses.files],
            lambda i: _house_frame(houses, i, teacher),
        ),
        *_jobs("photos", [Path(name).stem for name in photos.files], lambda i: _photo_frame(photos, i)),
    ]
    for name, make in tqdm(jobs, desc="source frames"):
        path = work / "sources" / f"{name}.npz"
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            make().save(path)


def _jobs(
    folder: str, names: list[str], make: Callable[[int], TrainingFrame]
) -> Iterator[tuple[str, Callable[[], TrainingFrame]]]:
    for index, name in enumerate(names):
        yield f"{folder}/{name}", partial(make, index)


def _stretched(picture: Image.Image) -> npt.NDArray[np.uint8]:
    return np.asarray(picture.resize((SOURCE_WIDTH, SOURCE_HEIGHT), Image.Resampling.BILINEAR))


def _nyuv2_frame(nyuv2: Nyuv2, index: int, teacher: MosaicTeacher) -> TrainingFrame:
    picture = nyuv2.picture(index)
    geometry = nyuv2.geometry(index)
    stacked = np.concatenate([geometry.normal, geometry.reshading, geometry.principal_curvature])
    resized = resize_channels(stacked, SOURCE_HEIGHT, SOURCE_WIDTH)
    return TrainingFrame(
        image=_stretched(picture),
        segmentation=np.asarray(
            nyuv2.segmentation(index).resize((SOURCE_WIDTH, SOURCE_HEIGHT), Image.Resampling.NEAREST)
        ),
        geometry=np.rint(resized * GEOMETRY_SCALE).astype(np.int8),
        mosaic=teacher.probabilities(picture),
        scene=nyuv2.scene(index),
        object_class=-1,
    )


def _house_frame(houses: HousePhotos, index: int, teacher: MosaicTeacher) -> TrainingFrame:
    picture = houses.picture(index)
    return TrainingFrame(_stretched(picture), None, None, teacher.probabilities(picture), houses.scene(index), -1)


def _photo_frame(photos: LabelledPhotos, index: int) -> TrainingFrame:
    return TrainingFrame(_stretched(photos.picture(index)), None, None, None, -1, photos.classes[index])
