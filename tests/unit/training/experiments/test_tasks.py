"""Losses of the experiments' tasks."""

from __future__ import annotations

import math

import pytest
import torch

from training.experiments.tasks import Task, mimic_loss, result, task_loss

SCENE = Task("class_scene", "class", 4, 1.0, "top1", True)
SEGMENT = Task("segment_semantic", "segmentation", 3, 1.0, "miou", True)
NORMAL = Task("normal", "normal", 3, 1.0, "mean_angular_error_degrees", False)
SHADING = Task("reshading", "values", 1, 1.0, "l1", False)
DEPTH = Task("depth", "values", 1, 1.0, "l1", False, (0.0, 10.0), values_of=torch.nn.functional.softplus)


def test_frames_without_the_label_count_nothing_and_still_have_a_gradient() -> None:
    cases = [
        (SCENE, torch.randn(2, 4), torch.full((2,), -1)),
        (SHADING, torch.randn(2, 1, 4, 4), torch.full((2, 1, 8, 8), math.nan)),
    ]
    for task, raw, label in cases:
        raw.requires_grad_(True)
        loss = task_loss(task, raw, label)
        loss.backward()
        assert loss.item() == 0
        assert raw.grad is not None


def test_unknown_pixels_do_not_change_a_loss() -> None:
    raw = torch.randn(1, 3, 4, 4)
    ids = torch.randint(0, 3, (1, 4, 4))
    known = task_loss(SEGMENT, raw[:, :, :2], ids[:, :2])
    half = ids.clone()
    half[:, 2:] = 255
    assert task_loss(SEGMENT, raw, half).item() == pytest.approx(known.item(), rel=1e-5)
    label = torch.rand(1, 3, 4, 4)
    hidden = label.clone()
    hidden[:, :, 2:] = math.nan
    expected = task_loss(NORMAL, raw[:, :, :2], label[:, :, :2])
    assert task_loss(NORMAL, raw, hidden).item() == pytest.approx(expected.item(), rel=1e-5)


def test_values_are_judged_by_their_mean_absolute_error() -> None:
    raw = torch.zeros(1, 1, 2, 2)
    assert task_loss(SHADING, raw, torch.full((1, 1, 2, 2), 0.75)).item() == pytest.approx(0.25)


def test_depth_is_positive() -> None:
    assert (result(DEPTH, torch.linspace(-20, 20, 9).view(1, 1, 3, 3)) >= 0).all()


@pytest.mark.parametrize("task", [SCENE, SEGMENT, NORMAL, SHADING])
def test_mimicking_costs_nothing_exactly_at_the_original(task: Task) -> None:
    shape = (2, task.outputs) if task.kind == "class" else (2, task.outputs, 4, 4)
    original = torch.randn(shape)
    assert mimic_loss(task, original, original).item() == pytest.approx(0.0, abs=1e-5)
    assert mimic_loss(task, original + torch.randn(shape), original).item() > 0.01


def test_better_follows_the_direction() -> None:
    assert SEGMENT.better(0.5, 0.4)
    assert NORMAL.better(25.0, 26.0)
