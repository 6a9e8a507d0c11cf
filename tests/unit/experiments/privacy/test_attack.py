"""The attack's network and training: what it reads, what it keeps, and that it can be stopped."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.privacy import attack
from experiments.privacy.attack import (
    AttackTraining,
    Check,
    Checks,
    batch_at,
    decoded_pictures,
    initial_network,
    told_of,
    train_attack,
)
from experiments.privacy.collection import Collection
from experiments.privacy.network import Normalise

STAGES = 4


def test_one_network_shows_a_picture_of_every_stage(fit: Collection) -> None:
    network = initial_network(fit, STAGES).eval()
    for stage in range(STAGES):
        pictures = network(told_of(fit.seen(stage, [0, 20]), stage))
        assert pictures.shape == (2, 3, 32, 32)
    pictures.sum().backward()
    silent = [name for name, p in network.named_parameters() if p.grad is None]
    assert not silent, "these parameters do nothing"


def test_channels_are_normalised_by_stage_and_constant_ones_are_silent() -> None:
    normalise = Normalise(2, 3)
    sample = torch.randn(500, 3, 4, 4, generator=torch.Generator().manual_seed(5)) * torch.tensor([5.0, 0.5, 0.0]).view(
        1, 3, 1, 1
    )
    normalise.fit(1, sample + 7)
    found = normalise(sample + 7, torch.ones(500, dtype=torch.int64))
    assert found.mean((0, 2, 3)).tolist() == pytest.approx([0, 0, 0], abs=1e-3)
    assert found.std((0, 2, 3)).tolist() == pytest.approx([1, 1, 0], abs=2e-2)
    untouched = normalise(sample, torch.zeros(500, dtype=torch.int64))
    assert torch.equal(untouched, sample.clamp(-8, 8))


def test_a_batch_depends_on_seed_and_step_alone(fit: Collection) -> None:
    settings = AttackTraining(steps=9)
    one, again, other = (batch_at(fit, STAGES, settings, step) for step in (4, 4, 5))
    assert torch.equal(one.told.latent, again.told.latent)
    assert not torch.equal(one.pictures, other.pictures)
    assert set(one.told.stage.tolist()) <= set(range(STAGES))
    assert len(one.pictures) == settings.batch


def test_a_batchs_pictures_belong_to_its_bitstreams(fit: Collection) -> None:
    batch = batch_at(fit, STAGES, AttackTraining(steps=9), 1)
    small = fit.take("small", np.arange(40))
    for i in range(4):
        pixels = (batch.pictures[i].permute(1, 2, 0) * 255).round().byte().numpy()
        [view] = [v for v in range(40) if np.array_equal(small[v], pixels)]
        stage = int(batch.told.stage[i])
        assert np.array_equal(batch.told.latent[i].numpy(), fit.seen(stage, [view]).latent[0])


def test_the_best_look_is_kept(
    fit: Collection, validation: Collection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    checks = Checks(tmp_path / "checks", validation, STAGES, 10, 30, "cpu")
    network = initial_network(fit, STAGES).eval()
    shown = iter([0.2, 0.45, 0.9])
    level: float
    monkeypatch.setattr(attack, "decoded_pictures", lambda *_: torch.full((len(validation), 3, 32, 32), level))
    for step in (10, 15, 20, 30):
        if step != 15:
            level = next(shown)
            network.places.data.fill_(step)
        checks(step, network)
    assert [check.step for check in checks.read()] == [10, 20, 30]
    found = checks.chosen(initial_network(fit, STAGES))
    assert found.chosen.step == 20
    assert (found.network.places == 20).all()


def test_only_operating_points_count_for_the_choice() -> None:
    assert Check(1, (10.0, 12.0, 99.0)).score == 11.0


def test_a_stopped_training_goes_on(fit: Collection, validation: Collection, tmp_path: Path) -> None:
    settings = AttackTraining(steps=3, warm_up_steps=1, check_every=3)
    torch.set_num_threads(1)
    whole = train_attack(fit, validation, STAGES, settings, tmp_path / "whole", "cpu")
    again = train_attack(fit, validation, STAGES, settings, tmp_path / "whole", "cpu")
    every = np.arange(len(validation))
    one, other = (decoded_pictures(found.network, validation, 0, every, "cpu") for found in (whole, again))
    assert torch.equal(one, other)
    assert again.checks == whole.checks
    assert whole.chosen.step == 3
