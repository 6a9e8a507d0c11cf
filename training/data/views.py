"""Training views: random crops, flips and colours of the source frames, with the frozen trunk's feature of each.

    SourceFrame --augment--> picture 256x256 --Trunk--> f8 ----------+
                         |                   --ImageNetBranch--> pooled --> ViewSet (memory-mapped arrays in the work folder)
                         +-> labels at 128x128, teacher's soft labels +

The trunk never changes, so that each view's feature is computed once. View 0 of a source is the whole picture, unchanged.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageEnhance
from tqdm import tqdm

from training.data.sources import SOURCE_HEIGHT, SOURCE_WIDTH, TrainingFrame
from training.datasets.frame import IGNORE
from training.networks.backbone import (
    F8_CHANNELS,
    F16_CHANNELS,
    F32_CHANNELS,
    POOLED_CHANNELS,
    Branch,
    ImageNetBranch,
    ImageNetTeacher,
    Trunk,
    pretrained_lite0,
    pretrained_lite2,
)
from training.networks.task import MOSAIC_CLASSES

INPUT_PX, LABEL_PX, MOSAIC_PX = 256, 128, 32
GEOMETRY_CHANNELS = 6
BATCH = 16
TEACHER_VIEWS = 2

Box = tuple[float, float, float, float]

Fields = dict[str, tuple[str, tuple[int, ...]]]
FIELDS: Fields = {
    "f8": ("float16", (F8_CHANNELS, INPUT_PX // 8, INPUT_PX // 8)),
    "pooled": ("float16", (POOLED_CHANNELS,)),
    "segmentation": ("uint8", (LABEL_PX, LABEL_PX)),
    "geometry": ("int8", (GEOMETRY_CHANNELS, LABEL_PX, LABEL_PX)),
    "mosaic": ("uint8", (MOSAIC_CLASSES, MOSAIC_PX, MOSAIC_PX)),
    "teacher": ("float16", (1000,)),
    "scene": ("int16", ()),
    "object_class": ("int16", ()),
    "source": ("int32", ()),
    "known": ("uint8", (4,)),
}
BRANCH_FIELDS: Fields = {
    "f16": ("float16", (F16_CHANNELS, INPUT_PX // 16, INPUT_PX // 16)),
    "f32": ("float16", (F32_CHANNELS, INPUT_PX // 32, INPUT_PX // 32)),
}
KNOWN_SEGMENTATION, KNOWN_GEOMETRY, KNOWN_MOSAIC, KNOWN_TEACHER = range(4)


@dataclass(frozen=True)
class Augmentation:
    """A crop box in source pixels, a mirror image, and brightness, contrast and saturation factors."""

    box: Box
    flip: bool
    brightness: float
    contrast: float
    saturation: float


WHOLE = Augmentation((0, 0, SOURCE_WIDTH, SOURCE_HEIGHT), False, 1.0, 1.0, 1.0)


def random_augmentation(rng: np.random.Generator) -> Augmentation:
    """A crop of 45 to 100 % of each side's length, mildly squeezed, half of them mirrored, colours varied."""
    scale = rng.uniform(0.5, 1.0)
    squeeze = np.exp(rng.uniform(-0.15, 0.15))
    width = min(1.0, scale * squeeze) * SOURCE_WIDTH
    height = min(1.0, scale / squeeze) * SOURCE_HEIGHT
    left, top = rng.uniform(0, SOURCE_WIDTH - width), rng.uniform(0, SOURCE_HEIGHT - height)
    brightness, contrast, saturation = rng.uniform(0.65, 1.35, 3)
    return Augmentation(
        (left, top, left + width, top + height), bool(rng.random() < 0.5), brightness, contrast, saturation
    )


def augmented_image(image: npt.NDArray[np.uint8], change: Augmentation) -> npt.NDArray[np.uint8]:
    """uint8 [288, 384, 3] -> uint8 [256, 256, 3]."""
    picture = Image.fromarray(_cut(image, INPUT_PX, change.box))
    picture = ImageEnhance.Brightness(picture).enhance(change.brightness)
    picture = ImageEnhance.Contrast(picture).enhance(change.contrast)
    picture = ImageEnhance.Color(picture).enhance(change.saturation)
    array = np.asarray(picture)
    return array[:, ::-1] if change.flip else array


def augmented_geometry(geometry: npt.NDArray[np.int8], change: Augmentation) -> npt.NDArray[np.int8]:
    """int8 [6, 288, 384] -> int8 [6, 128, 128]; a mirror image turns the sign of the normals' x."""
    planes = [_cut(plane.astype(np.float32), LABEL_PX, change.box) for plane in geometry]
    result = np.rint(np.stack(planes)).astype(np.int8)
    if change.flip:
        result = result[:, :, ::-1].copy()
        result[0] = -result[0]
    return result


def augmented_segmentation(labels: npt.NDArray[np.uint8], change: Augmentation) -> npt.NDArray[np.uint8]:
    """uint8 [288, 384] -> uint8 [128, 128]."""
    resized = _cut(labels, LABEL_PX, change.box, Image.Resampling.NEAREST)
    return resized[:, ::-1] if change.flip else resized


def augmented_mosaic(probabilities: npt.NDArray[np.uint8], change: Augmentation) -> npt.NDArray[np.uint8]:
    """uint8 [32, 64, 64] -> uint8 [32, 32, 32]."""
    scale_x, scale_y = probabilities.shape[2] / SOURCE_WIDTH, probabilities.shape[1] / SOURCE_HEIGHT
    left, top, right, bottom = change.box
    box = (left * scale_x, top * scale_y, right * scale_x, bottom * scale_y)
    result = np.stack([_cut(plane, MOSAIC_PX, box) for plane in probabilities])
    return result[:, :, ::-1] if change.flip else result


def _cut(
    plane: npt.NDArray[Any], side_px: int, box: Box, resampling: Image.Resampling = Image.Resampling.BILINEAR
) -> npt.NDArray[Any]:
    return np.asarray(Image.fromarray(plane).resize((side_px, side_px), resampling, box=box))


class ViewSet:
    """The views of one data set, memory-mapped: `views["f8"][i]`, ... with the shapes and types of FIELDS.

    `f16` and `f32` (BRANCH_FIELDS) are there once `prepare_branch` has run: the fine-tuned backbone's features, for the codec's stages.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.count = int(json.loads((folder / "views.json").read_text())["views"])
        fields = FIELDS | (BRANCH_FIELDS if (folder / "branch.json").exists() else {})
        self.arrays = _arrays(folder, fields, self.count, "r")

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, name: str) -> npt.NDArray[Any]:
        return self.arrays[name]


def _arrays(folder: Path, fields: Fields, count: int, mode: Literal["r", "w+"]) -> dict[str, np.memmap[Any, Any]]:
    return {
        name: np.memmap(folder / f"{name}.bin", dtype, mode, shape=(count, *shape))
        for name, (dtype, shape) in fields.items()
    }


def prepare_views(work: Path, name: str, views_each: int, seed: int, device: str) -> ViewSet:
    """Write `work`/views/`name` from `work`/sources/`name`, or open it if it is complete."""
    folder = work / "views" / name
    if (folder / "views.json").exists():
        return ViewSet(folder)
    folder.mkdir(parents=True, exist_ok=True)
    sources = sorted((work / "sources" / name).glob("*.npz"))
    count = len(sources) * views_each
    arrays = _arrays(folder, FIELDS, count, "w+")
    lite0 = pretrained_lite0()
    trunk, branch, teacher = (
        module.to(device).to(memory_format=torch.channels_last).eval()
        for module in (Trunk(lite0), ImageNetBranch(lite0), ImageNetTeacher(pretrained_lite2()))
    )
    # Sources are the outermost loop, so that a frame is read once. Views of one source are neighbours, and `source` tells them apart.
    for position in tqdm(range(len(sources)), desc=f"views of {name}"):
        source = TrainingFrame.load(sources[position])
        rng = np.random.default_rng([seed, position])
        changes = [WHOLE, *(random_augmentation(rng) for _ in range(views_each - 1))]
        images = np.stack([augmented_image(source.image, change) for change in changes])
        with torch.inference_mode():
            f8 = trunk(torch.from_numpy(images).to(device))
            pooled = branch(f8)
            logits = teacher(torch.from_numpy(images[:TEACHER_VIEWS]).to(device))
        for offset, change in enumerate(changes):
            index = position * views_each + offset
            arrays["f8"][index] = f8[offset].cpu().numpy()
            arrays["pooled"][index] = pooled[offset].cpu().numpy()
            arrays["segmentation"][index] = IGNORE
            known = arrays["known"][index]
            if source.segmentation is not None:
                arrays["segmentation"][index] = augmented_segmentation(source.segmentation, change)
                known[KNOWN_SEGMENTATION] = 1
            if source.geometry is not None:
                arrays["geometry"][index] = augmented_geometry(source.geometry, change)
                known[KNOWN_GEOMETRY] = 1
            if source.mosaic is not None:
                arrays["mosaic"][index] = augmented_mosaic(source.mosaic, change)
                known[KNOWN_MOSAIC] = 1
            if offset < TEACHER_VIEWS:
                arrays["teacher"][index] = logits[offset].cpu().numpy()
                known[KNOWN_TEACHER] = 1
            arrays["scene"][index], arrays["object_class"][index] = source.scene, source.object_class
            arrays["source"][index] = position
    for array in arrays.values():
        array.flush()
    (folder / "views.json").write_text(json.dumps({"views": count, "views_each": views_each, "seed": seed}))
    return ViewSet(folder)


def prepare_branch(views: ViewSet, branch: Branch, trained_as: str, device: str) -> ViewSet:
    """Write the fine-tuned branch's features of every view, or open them if they were made by the same weights (`trained_as`)."""
    marker = views.folder / "branch.json"
    if marker.exists() and json.loads(marker.read_text())["trained_as"] == trained_as:
        return ViewSet(views.folder)
    marker.unlink(missing_ok=True)
    arrays = _arrays(views.folder, BRANCH_FIELDS, len(views), "w+")
    for start in tqdm(range(0, len(views), BATCH), desc=f"backbone of {views.folder.name}"):
        f8 = torch.from_numpy(np.asarray(views["f8"][start : start + BATCH])).to(device).float()
        with torch.inference_mode():
            f16, f32 = branch(f8.contiguous(memory_format=torch.channels_last))
        arrays["f16"][start : start + BATCH] = f16.cpu().numpy()
        arrays["f32"][start : start + BATCH] = f32.cpu().numpy()
    for array in arrays.values():
        array.flush()
    marker.write_text(json.dumps({"trained_as": trained_as}))
    return ViewSet(views.folder)
