"""A training run that is stopped and started again ends where an uninterrupted one does."""

from __future__ import annotations

import json
import pickletools
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from training import loop
from training.data.batches import Batch, Share, batch_at, stream
from training.data.views import FIELDS, ViewSet
from training.stages import tasks as stage
from training.stages.tasks import TaskTraining, train_tasks

pytestmark = pytest.mark.starts_training

VIEWS = 6
SETTINGS = TaskTraining(steps=4, rooms_per_batch=2, houses_per_batch=1, warm_up_steps=1)


@pytest.fixture(scope="module")
def shares(tmp_path_factory: pytest.TempPathFactory) -> list[Share]:
    """Random views: rooms with every label, houses with a scene and the teacher's probabilities only."""
    rng = np.random.default_rng(5)
    made = []
    for name, known in (("rooms", (1, 1, 1, 1)), ("houses", (0, 0, 1, 0))):
        folder = tmp_path_factory.mktemp(name)
        for field, (dtype, shape) in FIELDS.items():
            limits = {"segmentation": 13, "scene": 10, "known": 1}
            values = (
                rng.integers(0, limits.get(field, 100), (VIEWS, *shape))
                if dtype != "float16"
                else rng.random((VIEWS, *shape))
            )
            array = values.astype(dtype)
            if field == "known":
                array[:] = known
            if field == "mosaic":
                array = np.full((VIEWS, *shape), 8, dtype)
            array.tofile(folder / f"{field}.bin")
        (folder / "views.json").write_text(json.dumps({"views": VIEWS}))
        made.append(
            Share(
                ViewSet(folder),
                np.arange(VIEWS),
                SETTINGS.rooms_per_batch if name == "rooms" else SETTINGS.houses_per_batch,
            )
        )
    return made


def test_a_batch_depends_on_seed_and_step_alone(shares: list[Share]) -> None:
    first = dict(stream(shares, 7)(0, 5))
    again = dict(stream(shares, 7)(3, 5))
    assert torch.equal(first[4].f8, again[4].f8)
    assert torch.equal(first[3].scene, batch_at(shares, 7, 3).scene)
    assert not torch.equal(first[3].f8, first[4].f8)


def test_a_stopped_run_goes_on_where_it_was(
    shares: list[Share], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "CHECKPOINT_EVERY_STEPS", 2)
    straight, stopped = tmp_path / "straight", tmp_path / "stopped"
    straight.mkdir()
    stopped.mkdir()
    rooms, houses = shares
    expected = train_tasks(rooms, houses, SETTINGS, straight, "cpu").state_dict()

    def until_two(shares: list[Share], seed: int) -> Callable[[int, int], Iterator[tuple[int, Batch]]]:
        def batches(first: int, last: int) -> Iterator[tuple[int, Batch]]:
            for step, batch in stream(shares, seed)(first, last):
                if step == 2:
                    raise KeyboardInterrupt
                yield step, batch

        return batches

    with monkeypatch.context() as interrupted:
        interrupted.setattr(stage, "stream", until_two)
        with pytest.raises(KeyboardInterrupt):
            train_tasks(rooms, houses, SETTINGS, stopped, "cpu")
    found = train_tasks(rooms, houses, SETTINGS, stopped, "cpu").state_dict()
    for name, value in expected.items():
        assert torch.allclose(value.float(), found[name].float(), atol=1e-4), name


def test_a_checkpoint_names_no_class_of_ours(shares: list[Share], tmp_path: Path) -> None:
    """So a run goes on with a release whose modules have other names."""
    rooms, houses = shares
    train_tasks(rooms, houses, replace(SETTINGS, steps=1), tmp_path, "cpu")
    named = {name for path in tmp_path.glob("*.pt") for name in pickled_names(path)}
    assert "torch" in {name.partition(".")[0] for name in named}
    assert {name.partition(".")[0] for name in named} <= {"torch", "collections"}


def pickled_names(checkpoint: Path) -> Iterator[str]:
    """Give the module of each class and function that a checkpoint makes its content of."""
    with zipfile.ZipFile(checkpoint) as archive:
        [content] = [archive.read(name) for name in archive.namelist() if name.endswith("/data.pkl")]
    texts: list[str] = []
    for operation, argument, _ in pickletools.genops(content):
        if operation.name == "GLOBAL":
            yield str(argument).partition(" ")[0]
        elif operation.name == "STACK_GLOBAL":
            yield texts[-2]
        elif isinstance(argument, str):
            texts.append(argument)
