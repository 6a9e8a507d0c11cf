"""Losses of the experiments' tasks."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from experiments.suites.tasks import ExperimentTask, at_one_size, mimic_loss, result, task_loss

SCENE = ExperimentTask("class_scene", "class", 4, 1.0, "top1", True)
SEGMENT = ExperimentTask("segment_semantic", "segmentation", 3, 1.0, "miou", True)
WEIGHTED = replace(SEGMENT, class_weights=(0.0, 1.0, 3.0))
NORMAL = ExperimentTask("normal", "normal", 3, 1.0, "mean_angular_error_degrees", False)
SHADING = ExperimentTask("reshading", "values", 1, 1.0, "l1", False)
DEPTH = ExperimentTask("depth", "values", 1, 1.0, "l1", False, (0.0, 10.0), values_of=torch.nn.functional.softplus)


def test_frames_without_the_label_count_nothing_and_still_have_a_gradient() -> None:
    cases = [
        (SCENE, torch.randn(2, 4), torch.full((2,), -1)),
        (SHADING, torch.randn(2, 1, 4, 4), torch.full((2, 1, 8, 8), math.nan)),
        (SEGMENT, torch.randn(2, 3, 4, 4), torch.full((2, 8, 8), 255)),
        (WEIGHTED, torch.randn(2, 3, 4, 4), torch.zeros(2, 4, 4, dtype=torch.int64)),
    ]
    for task, raw, label in cases:
        raw.requires_grad_(True)
        loss = task_loss(task, raw, label)
        loss.backward()
        assert loss.item() == pytest.approx(0.0, abs=1e-6)
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


@pytest.mark.parametrize("step", [2, 4])
def test_a_result_finer_than_its_label_is_compared_at_the_pixels_that_the_label_is_of(step: int) -> None:
    raw = torch.randn(2, 1, 8, 8)
    label = result(SHADING, raw)
    kept = label[..., ::step, ::step]
    assert task_loss(SHADING, raw, kept).item() == pytest.approx(0.0, abs=1e-6)
    assert task_loss(SHADING, raw, torch.roll(label, 1, -1)[..., ::step, ::step]).item() > 0.01
    expected = (result(SHADING, -raw) - label)[..., ::step, ::step].abs().mean()
    assert task_loss(SHADING, -raw, kept).item() == pytest.approx(expected.item(), rel=1e-5)
    ids = torch.randint(0, 3, (2, 8, 8))
    logits = 40.0 * torch.nn.functional.one_hot(ids, 3).movedim(-1, 1).float()
    assert task_loss(SEGMENT, logits, ids[:, ::step, ::step]).item() == pytest.approx(0.0, abs=1e-6)


def test_a_label_finer_than_its_result_is_seen_whole_in_time() -> None:
    label = torch.arange(16.0).view(1, 1, 4, 4)
    seen = {tuple(at_one_size(torch.zeros(1, 1, 2, 2), label)[1].flatten().tolist()) for _ in range(200)}
    assert seen == {(0, 2, 8, 10), (1, 3, 9, 11), (4, 6, 12, 14), (5, 7, 13, 15)}


def test_classes_count_by_their_weight() -> None:
    raw = torch.randn(1, 3, 1, 2)
    ids = torch.tensor([[[1, 2]]])
    of_one, of_two = (-raw.log_softmax(1)[0, ids[0, 0, pixel], 0, pixel].item() for pixel in (0, 1))
    assert task_loss(WEIGHTED, raw, ids).item() == pytest.approx((of_one + 3 * of_two) / 4, rel=1e-5)
    assert task_loss(SEGMENT, raw, ids).item() == pytest.approx((of_one + of_two) / 2, rel=1e-5)


def test_depth_is_positive() -> None:
    assert (result(DEPTH, torch.linspace(-20, 20, 9).view(1, 1, 3, 3)) >= 0).all()


@pytest.mark.parametrize("task", [SCENE, SEGMENT, NORMAL, SHADING])
def test_mimicking_costs_nothing_exactly_at_the_original(task: ExperimentTask) -> None:
    shape = (2, task.outputs) if task.kind == "class" else (2, task.outputs, 4, 4)
    original = torch.randn(shape)
    assert mimic_loss(task, original, original).item() == pytest.approx(0.0, abs=1e-5)
    assert mimic_loss(task, original + torch.randn(shape), original).item() > 0.01


def test_better_follows_the_direction() -> None:
    assert SEGMENT.better(0.5, 0.4)
    assert NORMAL.better(25.0, 26.0)
