"""Everything that the experiment judges, made or opened: what was stolen of every split, and the attack trained on it.

sources, bundle --collect_split--> Collection of every split --train_attack--> Stolen
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from experiments.privacy.attack import Attack, AttackTraining, train_attack
from experiments.privacy.bitstreams import Thief
from experiments.privacy.collection import Collection, collect_split
from experiments.privacy.pictures import VIEWS_SEED, Sources
from shared.model.bundle import Bundle


@dataclass(frozen=True)
class PrivacySetup:
    """Settings. sources: every split's. folder: where all is kept, of this bundle alone. workers: processes that code pictures."""

    bundle: Path
    sources: Sources
    folder: Path
    training: AttackTraining
    device: str
    workers: int


@dataclass(frozen=True, eq=False)
class Stolen:
    """Everything that was stolen and learned, opened."""

    bundle: Bundle
    stages: tuple[str, ...]
    splits: Mapping[str, Collection]
    attack: Attack
    device: str

    @property
    def rates(self) -> int:
        """The number of operating points; the stage behind them is without rounding."""
        return len(self.stages) - 1


def open_stolen(setup: PrivacySetup) -> Stolen:
    """Make what is missing, print the seeds, train or load the attack."""
    bundle = Bundle.load(setup.bundle)
    stages = Thief(bundle).stages
    print(
        f"privacy: bundle {bundle.id}, seeds: views {VIEWS_SEED}, attack {setup.training.seed}; {setup.training.steps} steps"
    )
    splits = {
        split: collect_split(
            setup.folder / split, setup.bundle, sources, split != "fit", setup.workers, f"bitstreams of {split}"
        )
        for split, sources in setup.sources.items()
    }
    print(f"frames: { ({split: len(frames) for split, frames in splits.items()}) }")
    folder = setup.folder / f"attack-{setup.training.steps}steps"
    attack = train_attack(splits["fit"], splits["validation"], len(stages), setup.training, folder, setup.device)
    return Stolen(bundle, stages, splits, attack, setup.device)
