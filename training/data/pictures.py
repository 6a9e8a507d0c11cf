"""Batches of pictures with labels at stride 4, cut anew for every step: what the teacher is trained on.

    TrainingFrame --random crop, mirror, colours--> picture 320x256 + labels 80x64 --> PictureBatch

A closer crop looks like a longer lens. Its depth is divided by the zoom, so that one lens is learned.
Law: batch k depends on the seed and k alone, as in `training.data.batches`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageEnhance
from torch import Tensor

from training.data.sources import GEOMETRY_SCALE, SOURCE_HEIGHT, SOURCE_WIDTH, TrainingFrame
from training.data.views import WHOLE, Augmentation
from training.datasets.frame import IGNORE
from training.networks.task import MOSAIC_CLASSES

CROP_WIDTH, CROP_HEIGHT = 320, 256
STRIDE = 4
LEAST_SHARE, LARGEST_STRETCH = 0.5, 0.15
COLOURS = (0.6, 1.4)
GREY_SHARE = 0.05
GEOMETRY_CHANNELS = 6


@dataclass(frozen=True)
class PictureBatch:
    """N pictures with what is known of each.

    pictures uint8 [N, 3, H, W]; segmentation int64 [N, h, w] (255 = unknown), geometry float32 [N, 6, h, w],
    log_depth float32 [N, 1, h, w] (natural logarithm of metres), mosaic float32 [N, 32, h, w], scene int64 [N] (-1 = unknown).
    has_geometry, has_mosaic: bool [N]. h and w are a quarter of H and W.
    """

    pictures: Tensor
    segmentation: Tensor
    geometry: Tensor
    log_depth: Tensor
    mosaic: Tensor
    scene: Tensor
    has_geometry: Tensor
    has_mosaic: Tensor

    def to(self, device: str) -> PictureBatch:
        """Return the same batch on `device`, pictures in channels-last order."""
        moved = {name: value.to(device, non_blocking=True) for name, value in vars(self).items()}
        moved["pictures"] = moved["pictures"].contiguous(memory_format=torch.channels_last)
        return PictureBatch(**moved)


def random_change(rng: np.random.Generator) -> Augmentation:
    """Return a crop of half to all of the picture's sides, half of them mirrored, with other colours."""
    share = rng.uniform(LEAST_SHARE, 1.0)
    stretch = np.exp(rng.uniform(-LARGEST_STRETCH, LARGEST_STRETCH))
    width, height = min(1.0, share * stretch) * SOURCE_WIDTH, min(1.0, share / stretch) * SOURCE_HEIGHT
    left, top = rng.uniform(0, SOURCE_WIDTH - width), rng.uniform(0, SOURCE_HEIGHT - height)
    brightness, contrast, saturation = rng.uniform(*COLOURS, 3)
    if rng.random() < GREY_SHARE:
        saturation = 0.0
    mirrored = bool(rng.random() < 0.5)
    return Augmentation((left, top, left + width, top + height), mirrored, brightness, contrast, saturation)


def cut(frame: TrainingFrame, change: Augmentation, width: int, height: int) -> PictureBatch:
    """Return a frame's crop as a batch of one, width x height pixels, labels at a quarter of that."""
    small = (width // STRIDE, height // STRIDE)
    image = Image.fromarray(frame.image).resize((width, height), Image.Resampling.BILINEAR, box=change.box)
    image = ImageEnhance.Brightness(image).enhance(change.brightness)
    image = ImageEnhance.Contrast(image).enhance(change.contrast)
    image = ImageEnhance.Color(image).enhance(change.saturation)
    zoom = np.sqrt(SOURCE_WIDTH * SOURCE_HEIGHT / _area(change))
    geometry = np.zeros((GEOMETRY_CHANNELS, *small[::-1]), np.float32)
    log_depth = np.zeros((1, *small[::-1]), np.float32)
    segmentation = np.full(small[::-1], IGNORE, np.uint8)
    mosaic = np.zeros((MOSAIC_CLASSES, *small[::-1]), np.float32)
    if frame.geometry is not None and frame.depth is not None:
        geometry = _resized(frame.geometry.astype(np.float32), small, change) / GEOMETRY_SCALE
        log_depth = np.log(_resized(frame.depth[None].astype(np.float32), small, change) / zoom)
    if frame.segmentation is not None:
        whole = Image.fromarray(frame.segmentation)
        segmentation = np.asarray(whole.resize(small, Image.Resampling.NEAREST, box=change.box))
    if frame.mosaic is not None:
        mosaic = _resized(frame.mosaic.astype(np.float32), small, change) / 255.0
    picture = np.asarray(image)
    if change.flip:
        picture, segmentation = picture[:, ::-1], segmentation[:, ::-1]
        geometry, log_depth, mosaic = (array[:, :, ::-1].copy() for array in (geometry, log_depth, mosaic))
        geometry[0] = -geometry[0]
    return PictureBatch(
        pictures=torch.from_numpy(picture.transpose(2, 0, 1).copy())[None],
        segmentation=torch.from_numpy(segmentation.astype(np.int64))[None],
        geometry=torch.from_numpy(geometry)[None],
        log_depth=torch.from_numpy(log_depth)[None],
        mosaic=torch.from_numpy(mosaic)[None],
        scene=torch.tensor([frame.scene]),
        has_geometry=torch.tensor([frame.geometry is not None]),
        has_mosaic=torch.tensor([frame.mosaic is not None]),
    )


def joined(parts: Sequence[PictureBatch]) -> PictureBatch:
    """Return all of them as one batch."""
    return PictureBatch(**{name: torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])})


def whole(frame: TrainingFrame) -> PictureBatch:
    """Return a whole source frame, 384x288, unchanged."""
    return cut(frame, WHOLE, SOURCE_WIDTH, SOURCE_HEIGHT)


def mirrored(batch: PictureBatch) -> PictureBatch:
    """Return the batch with its pictures mirrored; its labels stay."""
    return replace(batch, pictures=batch.pictures.flip(3))


@dataclass(frozen=True)
class PictureShare:
    """`count` frames of every batch come from these files of `TrainingFrame`."""

    files: Sequence[Path]
    count: int


def picture_batch(shares: Sequence[PictureShare], seed: int, step: int) -> PictureBatch:
    """Return batch number `step`."""
    rng = np.random.default_rng([seed, step])
    parts = []
    for share in shares:
        for index in np.sort(rng.choice(len(share.files), share.count, replace=False)):
            parts.append(cut(TrainingFrame.load(share.files[index]), random_change(rng), CROP_WIDTH, CROP_HEIGHT))
    return joined(parts)


def _area(change: Augmentation) -> float:
    left, top, right, bottom = change.box
    return (right - left) * (bottom - top)


def _resized(planes: npt.NDArray[np.float32], size: tuple[int, int], change: Augmentation) -> npt.NDArray[np.float32]:
    """Return the planes [C, H, W] of a source frame, or coarser ones, cut and resized."""
    across, down = planes.shape[2] / SOURCE_WIDTH, planes.shape[1] / SOURCE_HEIGHT
    left, top, right, bottom = change.box
    box = (left * across, top * down, right * across, bottom * down)
    return np.stack(
        [np.asarray(Image.fromarray(plane).resize(size, Image.Resampling.BILINEAR, box=box)) for plane in planes]
    )
