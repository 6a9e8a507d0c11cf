"""Training pictures with everything that is known of them, at a size from which views are cut.

    NYUv2 picture --+--> picture 384x288, 13-class ids, scene, geometry (docs/targets.md)
    house, room   --+--> picture, scene                                                    --> TrainingFrame, one .npz each
    labelled photo -+--> picture, object class
                    +--> teacher probabilities of MOSAIC (ADE20K), where its files are given

Written once to the work folder; a frame that is already there is skipped, so the step can be stopped and resumed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from training.datasets.frame import resize_channels
from training.datasets.nyuv2 import Nyuv2
from training.datasets.photos import HousePhotos, LabelledPhotos, RoomPhotos
from training.networks.task import MOSAIC_CLASSES

SOURCE_HEIGHT, SOURCE_WIDTH = 288, 384
GEOMETRY_SCALE = 127.0
MOSAIC_FILES = ("mobile_segmenter_r3_quant_argmax_uint8.tflite", "mobile_segmenter_r4_quant_argmax_uint8.tflite")
MOSAIC_INPUT_PX, MOSAIC_STORED_PX = 512, 64
MOSAIC_LOGITS = "decoder/add"


@dataclass(frozen=True)
class TrainingFrame:
    """One picture and what is known of it; None or -1 where nothing is.

    image uint8 [288, 384, 3] (stretched), segmentation uint8 [288, 384], geometry int8 [6, 288, 384] / 127 (normal, reshading,
    two curvatures), depth float16 [288, 384] in metres, mosaic uint8 [32, 64, 64] / 255, scene and object class.
    """

    image: npt.NDArray[np.uint8]
    segmentation: npt.NDArray[np.uint8] | None = None
    geometry: npt.NDArray[np.int8] | None = None
    depth: npt.NDArray[np.float16] | None = None
    mosaic: npt.NDArray[np.uint8] | None = None
    scene: int = -1
    object_class: int = -1

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
            optional = {name: data.get(name) for name in ("segmentation", "geometry", "depth", "mosaic")}
            return cls(data["image"], **optional, scene=int(data["scene"]), object_class=int(data["object_class"]))


class MosaicTeacher:
    """MOSAIC (MLCommons mobile segmenter R3 and R4, ADE20K's top 31 classes + other), averaged; absent files mean no labels.

    Training learns from what it says and ships nothing of it.
    """

    def __init__(self, folder: Path) -> None:
        self._networks = []
        if all((folder / name).is_file() for name in MOSAIC_FILES):
            from ai_edge_litert.interpreter import Interpreter

            for name in MOSAIC_FILES:
                network = Interpreter(str(folder / name), experimental_preserve_all_tensors=True, num_threads=1)
                network.allocate_tensors()
                logits = next(t for t in network.get_tensor_details() if t["name"].startswith(MOSAIC_LOGITS))
                self._networks.append((network, logits))

    def probabilities(self, picture: Image.Image) -> npt.NDArray[np.uint8] | None:
        """Class probabilities uint8 [32, 64, 64] (255 = 1) of a picture stretched to 512x512."""
        if not self._networks:
            return None
        size = (MOSAIC_INPUT_PX, MOSAIC_INPUT_PX)
        image = np.asarray(picture.resize(size, Image.Resampling.BILINEAR))[None]
        total = np.zeros((MOSAIC_STORED_PX, MOSAIC_STORED_PX, MOSAIC_CLASSES))
        for network, logits in self._networks:
            network.set_tensor(network.get_input_details()[0]["index"], image)
            network.invoke()
            scale, zero = logits["quantization"]
            values = (network.get_tensor(logits["index"])[0].astype(np.float64) - zero) * scale
            soft = np.exp(values - values.max(-1, keepdims=True))
            soft /= soft.sum(-1, keepdims=True)
            blocks = soft.reshape(MOSAIC_STORED_PX, 2, MOSAIC_STORED_PX, 2, MOSAIC_CLASSES)
            total += blocks.mean((1, 3)) / len(self._networks)
        return np.rint(total.transpose(2, 0, 1) * 255).astype(np.uint8)


def prepare_sources(data: Path, work: Path) -> None:
    """Write the source frames of NYUv2 `train`, the house photos and the labelled photos' `train` split under `work`/sources."""
    teacher = MosaicTeacher(data / "teachers")
    nyuv2 = Nyuv2(data / "nyuv2", "train")
    houses = HousePhotos(data / "houses", "all")
    photos = LabelledPhotos(data / "imagenet_samples", "train")
    _write(work, "nyuv2", [entry.index for entry in nyuv2.entries], lambda i: _nyuv2_frame(nyuv2, i, teacher))
    _write(work, "houses", named_by_folder(houses.files), lambda i: _room_frame(houses, i, teacher))
    _write(work, "photos", [path.stem for path in photos.files], lambda i: _photo_frame(photos, i))


def prepare_rooms(data: Path, work: Path) -> None:
    """Write the source frames of the rooms under `work`/sources/rooms."""
    teacher, rooms = MosaicTeacher(data / "teachers"), RoomPhotos(data / "rooms", "all")
    _write(work, "rooms", named_by_folder(rooms.files), lambda i: _room_frame(rooms, i, teacher))


def named_by_folder(files: Sequence[Path]) -> list[str]:
    """Return the names of the source frames of photos whose folder tells their scene."""
    return [f"{path.parent.name}-{path.stem}" for path in files]


def _write(work: Path, folder: str, names: Sequence[str], make: Callable[[int], TrainingFrame]) -> None:
    (work / "sources" / folder).mkdir(parents=True, exist_ok=True)
    for index, name in enumerate(tqdm(names, desc=f"source frames of {folder}")):
        path = work / "sources" / folder / f"{name}.npz"
        if not path.exists():
            make(index).save(path)


def _stretched(picture: Image.Image, resampling: Image.Resampling = Image.Resampling.BILINEAR) -> npt.NDArray[np.uint8]:
    return np.asarray(picture.resize((SOURCE_WIDTH, SOURCE_HEIGHT), resampling))


def _nyuv2_frame(nyuv2: Nyuv2, index: int, teacher: MosaicTeacher) -> TrainingFrame:
    picture = nyuv2.picture(index)
    geometry = nyuv2.geometry(index)
    stacked = np.concatenate([geometry.normal, geometry.reshading, geometry.principal_curvature])
    resized = resize_channels(stacked, SOURCE_HEIGHT, SOURCE_WIDTH)
    depth = resize_channels(nyuv2.depth_metres(index)[None].astype(np.float32), SOURCE_HEIGHT, SOURCE_WIDTH)[0]
    return TrainingFrame(
        image=_stretched(picture),
        segmentation=_stretched(nyuv2.segmentation(index), Image.Resampling.NEAREST),
        geometry=np.rint(resized * GEOMETRY_SCALE).astype(np.int8),
        depth=depth.astype(np.float16),
        mosaic=teacher.probabilities(picture),
        scene=nyuv2.scene(index),
    )


def _room_frame(rooms: HousePhotos | RoomPhotos, index: int, teacher: MosaicTeacher) -> TrainingFrame:
    picture = rooms.picture(index)
    return TrainingFrame(_stretched(picture), mosaic=teacher.probabilities(picture), scene=rooms.scene(index))


def _photo_frame(photos: LabelledPhotos, index: int) -> TrainingFrame:
    return TrainingFrame(_stretched(photos.picture(index)), object_class=photos.classes[index])
