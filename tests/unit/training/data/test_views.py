"""Augmentation keeps pictures and labels together."""

from __future__ import annotations

import dataclasses

import numpy as np

from training.data.sources import SOURCE_HEIGHT, SOURCE_WIDTH
from training.data.views import (
    LABEL_PX,
    MOSAIC_PX,
    WHOLE,
    augmented_geometry,
    augmented_image,
    augmented_mosaic,
    augmented_segmentation,
    random_augmentation,
)

MIRRORED = dataclasses.replace(WHOLE, flip=True)


def test_a_mirror_image_turns_the_normals_round_and_nothing_else() -> None:
    rng = np.random.default_rng(1)
    geometry = np.zeros((6, SOURCE_HEIGHT, SOURCE_WIDTH), np.int8)
    geometry[:] = rng.integers(-100, 100, (6, 1, SOURCE_WIDTH))
    plain, mirrored = augmented_geometry(geometry, WHOLE), augmented_geometry(geometry, MIRRORED)
    assert (mirrored[0] == -plain[0, :, ::-1]).all()
    assert (mirrored[1:] == plain[1:, :, ::-1]).all()


def test_picture_labels_and_teacher_are_cropped_alike() -> None:
    image = np.zeros((SOURCE_HEIGHT, SOURCE_WIDTH, 3), np.uint8)
    image[: SOURCE_HEIGHT // 2, : SOURCE_WIDTH // 2] = 255
    labels = np.where(image[..., 0] > 0, 3, 7).astype(np.uint8)
    teacher = np.zeros((32, 64, 64), np.uint8)
    teacher[1, :32, :32] = 255
    for seed in range(20):
        change = random_augmentation(np.random.default_rng(seed))
        picture = augmented_image(image, dataclasses.replace(change, brightness=1.0, contrast=1.0, saturation=1.0))
        share_of_picture = (picture[..., 0] > 127).mean()
        share_of_labels = (augmented_segmentation(labels, change) == 3).mean()
        share_of_teacher = (augmented_mosaic(teacher, change)[1] > 127).mean()
        assert abs(share_of_picture - share_of_labels) < 0.02
        assert abs(share_of_picture - share_of_teacher) < 0.06


def test_crops_stay_inside_and_shapes_are_those_of_the_batches() -> None:
    for seed in range(50):
        left, top, right, bottom = random_augmentation(np.random.default_rng(seed)).box
        assert 0 <= left < right <= SOURCE_WIDTH + 1e-9
        assert 0 <= top < bottom <= SOURCE_HEIGHT + 1e-9
    assert augmented_geometry(np.zeros((6, SOURCE_HEIGHT, SOURCE_WIDTH), np.int8), WHOLE).shape == (
        6,
        LABEL_PX,
        LABEL_PX,
    )
    assert augmented_mosaic(np.zeros((32, 64, 64), np.uint8), WHOLE).shape == (32, MOSAIC_PX, MOSAIC_PX)
