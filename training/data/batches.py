"""Batches of views for training: a fixed share of each data set, in an order that a seed fixes and a step number resumes.

Law: batch k depends on the seed and k alone, so that a resumed run sees the batches that an uninterrupted one would have seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import torch
from torch import Tensor

from training.data.views import (
    GEOMETRY_CHANNELS,
    KNOWN_GEOMETRY,
    KNOWN_MOSAIC,
    KNOWN_SEGMENTATION,
    KNOWN_TEACHER,
    ViewSet,
)

PREFETCH = 3

AnyBatch = TypeVar("AnyBatch")


@dataclass(frozen=True)
class Batch:
    """N views.

    Features: f8 float32 [N, 40, 32, 32], pooled float32 [N, 1280].
    Labels: segmentation int64 [N, 128, 128] (255 = unknown), geometry float32 [N, 6, 128, 128], scene and object_class int64 [N]
    (-1 = unknown). Teachers' answers: mosaic float32 [N, 32, 32, 32] probabilities, teacher float32 [N, 1000] logits.
    has_* bool [N] tell which of them a view has.
    f16 [N, 112, 16, 16] and f32 [N, 320, 8, 8] are the fine-tuned backbone's; they are empty ([N, 0]) before it is trained.
    """

    f8: Tensor
    f16: Tensor
    f32: Tensor
    pooled: Tensor
    segmentation: Tensor
    geometry: Tensor
    mosaic: Tensor
    teacher: Tensor
    scene: Tensor
    object_class: Tensor
    has_segmentation: Tensor
    has_geometry: Tensor
    has_mosaic: Tensor
    has_teacher: Tensor

    def to(self, device: str) -> Batch:
        """The same batch on `device`, pictures in channels-last order."""
        moved = {name: value.to(device, non_blocking=True) for name, value in vars(self).items()}
        for name in ("f8", "f16", "f32"):
            if moved[name].dim() == 4:
                moved[name] = moved[name].contiguous(memory_format=torch.channels_last)
        return Batch(**moved)

    def selected(self, chosen: Tensor) -> Batch:
        """The frames where `chosen` (bool [N]) is true."""
        return Batch(**{name: value[chosen] for name, value in vars(self).items()})


@dataclass(frozen=True)
class Share:
    """`count` frames of every batch come from the views `indices` of `views`."""

    views: ViewSet
    indices: np.ndarray
    count: int


def batch_at(shares: list[Share], seed: int, step: int) -> Batch:
    """Batch number `step`."""
    rng = np.random.default_rng([seed, step])
    parts = [
        load(share.views, np.sort(rng.choice(share.indices, share.count, replace=False)))
        for share in shares
        if share.count
    ]
    return Batch(**{name: torch.cat([getattr(part, name) for part in parts]) for name in vars(parts[0])})


def load(views: ViewSet, indices: np.ndarray) -> Batch:
    """The views at `indices` as one batch."""

    def take(name: str) -> Tensor:
        if name not in views.arrays:
            return torch.zeros(len(indices), 0)
        return torch.from_numpy(np.ascontiguousarray(views[name][indices]))

    known = take("known").bool()
    return Batch(
        f8=take("f8").float(),
        f16=take("f16").float(),
        f32=take("f32").float(),
        pooled=take("pooled").float(),
        segmentation=take("segmentation").long(),
        geometry=take("geometry").float().div_(127.0).view(-1, GEOMETRY_CHANNELS, *views["geometry"].shape[2:]),
        mosaic=take("mosaic").float().div_(255.0),
        teacher=take("teacher").float(),
        scene=take("scene").long(),
        object_class=take("object_class").long(),
        has_segmentation=known[:, KNOWN_SEGMENTATION],
        has_geometry=known[:, KNOWN_GEOMETRY],
        has_mosaic=known[:, KNOWN_MOSAIC],
        has_teacher=known[:, KNOWN_TEACHER],
    )


def stream(shares: list[Share], seed: int) -> Callable[[int, int], Iterator[tuple[int, Batch]]]:
    """The batches that training.loop asks for, read ahead by a thread."""
    return lambda first, last: read_ahead(lambda step: batch_at(shares, seed, step), first, last)


def read_ahead(make: Callable[[int], AnyBatch], first: int, last: int) -> Iterator[tuple[int, AnyBatch]]:
    """`make`(first) .. `make`(last - 1) with their numbers, made ahead by a thread."""
    with ThreadPoolExecutor(1) as pool:
        waiting = [pool.submit(make, step) for step in range(first, min(first + PREFETCH, last))]
        for step in range(first, last):
            batch = waiting.pop(0).result()
            if step + PREFETCH < last:
                waiting.append(pool.submit(make, step + PREFETCH))
            yield step, batch
