"""The suite on Taskonomy: its tasks, and what the command refuses in one line before anything is loaded."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.suites import nyuv2
from experiments.suites.suite import Suite
from experiments.suites.taskonomy import FrameCounts, OpenTaskonomy, tasks_of
from experiments.suites.tasks import result, task_loss
from taxon.main import REFUSED, main
from tests.support.experiments import OpenSmallSuite
from tests.support.taskonomy import write_world
from training.datasets.frame import DataError
from training.networks.hourglass import PUBLISHED


def refusal(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> str:
    """The one line on stderr."""
    assert main([str(argument) for argument in ("experiment", "table1", *arguments)]) == REFUSED
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("taxon: ")
    return line


def test_tasks_are_those_of_nyuv2_with_taskonomys_classes() -> None:
    tasks = tasks_of(None)
    assert set(tasks) == set(PUBLISHED)
    assert {name: task.outputs for name, task in tasks.items()} == {
        name: network.outputs for name, network in PUBLISHED.items()
    }
    for name, task in tasks.items():
        there = nyuv2.TASKS[name]
        assert (task.kind, task.figure, task.weight, task.seen) == (there.kind, there.figure, there.weight, there.seen)
    assert tasks["segment_semantic"].background == (0,)
    assert [name for name, task in tasks.items() if not task.seen] == ["depth"]


def test_a_task_has_the_authors_class_weights_where_they_are_there() -> None:
    weights = np.linspace(0.5, 2.5, 17, dtype=np.float32)
    task = tasks_of(weights)["segment_semantic"]
    assert task.class_weights == pytest.approx(weights.tolist())
    raw = torch.randn(1, 17, 4, 4)
    ids = torch.arange(16).view(1, 4, 4)
    assert task_loss(task, raw, ids) != task_loss(tasks_of(None)["segment_semantic"], raw, ids)


@pytest.mark.parametrize("name", ["normal", "reshading", "principal_curvature", "depth"])
def test_a_perfect_result_of_twice_the_labels_size_costs_nothing(name: str) -> None:
    task = tasks_of(None)[name]
    generator = torch.Generator().manual_seed(1)
    raw = 0.5 * torch.rand(2, task.outputs, 8, 8, generator=generator) + 0.2
    label = result(task, raw)[..., ::2, ::2]
    # acos is bounded a little away from equality
    assert task_loss(task, raw, label).item() < 0.015
    other = result(task, raw)[..., 1::2, 1::2]
    assert task_loss(task, raw, other).item() > 0.03


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--suite", "taskonomy"], "--weights is missing: give the folder of the published networks"),
        (["--suite", "taskonomy", "--weights", "nowhere"], "nowhere is no folder: give the folder"),
        (
            ["--suite", "taskonomy", "--weights", "."],
            "has no train_val_test_*.csv: give Taskonomy's folder with --data",
        ),
        (["--weights", "."], "--weights is for --suite taskonomy"),
    ],
)
def test_the_command_says_what_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TAXON_DATA", raising=False)
    assert message in refusal(capsys, *words)
    assert not (tmp_path / "work").exists()


def test_the_first_missing_network_is_named_before_anything_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, weights, work = write_world(tmp_path / "data"), tmp_path / "weights", tmp_path / "work"
    weights.mkdir()
    words = ("--suite", "taskonomy", "--data", data, "--weights", weights, "--work", work, "--output", tmp_path / "out")
    assert "needs exactly one file class_scene_encoder-DIGEST.pth, found none" in refusal(capsys, *words)
    assert not work.exists()


def test_the_command_opens_what_it_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[OpenTaskonomy] = []

    def stop(opener: OpenTaskonomy) -> Suite:
        opened.append(opener)
        raise DataError("far enough")

    monkeypatch.setattr(OpenTaskonomy, "__call__", stop)
    data, weights, work = write_world(tmp_path / "data"), tmp_path / "weights", tmp_path / "work"
    weights.mkdir()
    words = ["--suite", "taskonomy", "--data", data, "--weights", weights, "--work", work, "--device", "cpu"]
    for name, with_unseen in (("table1", False), ("table4", True)):
        assert main(["experiment", name, *map(str, words), "--output", str(tmp_path / "out")]) == REFUSED
        assert opened[-1] == OpenTaskonomy(data, weights, work, "cpu", with_unseen)
    assert main(["experiment", "table1", *map(str, words), "--fit-frames", "500"]) == REFUSED
    assert opened[-1].frames == FrameCounts(fit=500)


def test_fewer_frames_are_for_taskonomy_alone(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    line = refusal(capsys, "--fit-frames", "500", "--work", tmp_path)
    assert "--fit-frames is for --suite taskonomy" in line


def test_fewer_training_frames_than_a_batch_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    suite = OpenSmallSuite(tmp_path / "suite")()
    few = replace(suite, fit=suite.test)
    monkeypatch.setattr(OpenTaskonomy, "__call__", lambda opener: few)
    data = write_world(tmp_path / "data")
    line = refusal(capsys, "--suite", "taskonomy", "--data", data, "--weights", tmp_path, "--output", tmp_path / "out")
    assert f"{len(few.fit)} training frames are too few" in line


def test_an_opener_can_be_handed_to_workers(tmp_path: Path) -> None:
    opener = OpenTaskonomy(tmp_path, tmp_path, tmp_path, "cpu", False)
    assert opener.frames == FrameCounts(51_316, 945, 1_024)
    assert hash(opener) == hash(OpenTaskonomy(tmp_path, tmp_path, tmp_path, "cpu", False, FrameCounts()))
