"""The teacher's batches: crops, mirror images and what follows for the labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from training.data.pictures import (
    CROP_HEIGHT,
    CROP_WIDTH,
    PictureShare,
    cut,
    mirrored,
    picture_batch,
    random_change,
    whole,
)
from training.data.sources import SOURCE_HEIGHT, SOURCE_WIDTH, TrainingFrame
from training.data.views import WHOLE, Augmentation


def room(depth_metres: float = 3.0) -> TrainingFrame:
    """A picture whose left half is a wall that looks to the left, and whose right half is unlabelled."""
    image = np.zeros((SOURCE_HEIGHT, SOURCE_WIDTH, 3), np.uint8)
    image[:, : SOURCE_WIDTH // 2] = 200
    segmentation = np.full((SOURCE_HEIGHT, SOURCE_WIDTH), 255, np.uint8)
    segmentation[:, : SOURCE_WIDTH // 2] = 11
    geometry = np.zeros((6, SOURCE_HEIGHT, SOURCE_WIDTH), np.int8)
    geometry[0], geometry[2] = -76, -102
    depth = np.full((SOURCE_HEIGHT, SOURCE_WIDTH), depth_metres, np.float16)
    return TrainingFrame(image, segmentation, geometry, depth, scene=1)


def test_a_whole_frame_keeps_its_labels_at_a_quarter_of_its_size() -> None:
    batch = whole(room())
    assert batch.pictures.shape == (1, 3, SOURCE_HEIGHT, SOURCE_WIDTH)
    assert batch.segmentation.shape == (1, SOURCE_HEIGHT // 4, SOURCE_WIDTH // 4)
    assert batch.segmentation[0, 0, 0] == 11
    assert batch.segmentation[0, 0, -1] == 255
    torch.testing.assert_close(batch.log_depth.exp(), torch.full_like(batch.log_depth, 3.0), rtol=1e-3, atol=0)
    assert batch.has_geometry.all()
    assert not batch.has_mosaic.any()


def test_a_mirror_image_turns_picture_and_labels_and_the_normals_first_component() -> None:
    turned = cut(room(), Augmentation(WHOLE.box, True, 1.0, 1.0, 1.0), SOURCE_WIDTH, SOURCE_HEIGHT)
    straight = whole(room())
    assert torch.equal(mirrored(straight).pictures, turned.pictures)
    assert torch.equal(straight.segmentation.flip(2), turned.segmentation)
    assert torch.allclose(turned.geometry[:, 0], -straight.geometry[:, 0].flip(2))
    assert torch.allclose(turned.geometry[:, 1:], straight.geometry[:, 1:].flip(3))


@given(st.integers(0, 2**32 - 1))
def test_a_closer_crop_is_a_nearer_picture_by_its_zoom(seed: int) -> None:
    change = random_change(np.random.default_rng(seed))
    left, top, right, bottom = change.box
    zoom = np.sqrt(SOURCE_WIDTH * SOURCE_HEIGHT / ((right - left) * (bottom - top)))
    depth = cut(room(4.0), change, CROP_WIDTH, CROP_HEIGHT).log_depth.exp()
    torch.testing.assert_close(depth, torch.full_like(depth, 4.0 / float(zoom)), rtol=2e-3, atol=0)


def test_a_batch_depends_on_its_seed_and_its_step_alone(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        room().save(tmp_path / f"{name}.npz")
    TrainingFrame(room().image, scene=2).save(tmp_path / "photo.npz")
    rooms = PictureShare([tmp_path / f"{name}.npz" for name in ("a", "b", "c")], 2)
    photos = PictureShare([tmp_path / "photo.npz"], 1)
    batch, again, next_one = (picture_batch([rooms, photos], 7, step) for step in (3, 3, 4))
    assert batch.pictures.shape == (3, 3, CROP_HEIGHT, CROP_WIDTH)
    assert batch.has_geometry.tolist() == [True, True, False]
    assert batch.scene.tolist() == [1, 1, 2]
    assert all(torch.equal(getattr(batch, name), getattr(again, name)) for name in vars(batch))
    assert not torch.equal(batch.pictures, next_one.pictures)
