"""Training the attack: one pixel decoder for every stage, on the attacker's own pictures, chosen on validation frames.

    Collection fit --a random stage for each view--> PixelDecoder --Charbonnier + (1 - SSIM)--> moving average of its weights
    Collection validation --PSNR, every CHECK_EVERY_STEPS--> the average that is kept

Law: the test frames are not read here; stopped at any time, the same training goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from pytorch_msssim import ssim
from torch import Tensor

from experiments.privacy.bitstreams import Seen
from experiments.privacy.collection import Collection
from experiments.privacy.judge import psnr_db
from experiments.privacy.network import AttackSizes, PixelDecoder, Told
from training.data.batches import read_ahead
from training.loop import LoopSettings, load_checkpoint, save_checkpoint, train

FIT_SAMPLE = 600
BATCH = 16


@dataclass(frozen=True, kw_only=True)
class AttackTraining(LoopSettings):
    """Settings. structure: the weight of 1 - SSIM beside the Charbonnier loss, whose bend lies at `bend` (pixels are 0..1)."""

    steps: int
    weight_decay: float = 0.01
    seed: int = 20261129
    average_decay: float = 0.998
    batch: int = BATCH
    learning_rate: float = 8e-4
    structure: float = 0.15
    bend: float = 0.1
    check_every: int = 400


@dataclass(frozen=True)
class AttackBatch:
    """Pictures float32 [N, 3, S, S] in 0..1, and what their bitstreams tell."""

    told: Told
    pictures: Tensor

    def to(self, device: str) -> AttackBatch:
        """The same batch on `device`."""
        pictures = self.pictures.to(device).contiguous(memory_format=torch.channels_last)
        return AttackBatch(self.told.to(device), pictures)


@dataclass(frozen=True)
class Check:
    """A look at the validation frames. psnr_db: mean over frames, for each stage."""

    step: int
    psnr_db: tuple[float, ...]

    @property
    def score(self) -> float:
        """Return the figure that choices are made by: the mean over the operating points without the unrounded stage."""
        return sum(self.psnr_db[:-1]) / (len(self.psnr_db) - 1)


@dataclass(frozen=True, eq=False)
class Attack:
    """A trained attack: the weights that did best on validation frames, at `chosen`, and all looks at them."""

    network: PixelDecoder
    chosen: Check
    checks: tuple[Check, ...]

    @property
    def parameters(self) -> int:
        """The number of trained parameters."""
        return sum(p.numel() for p in self.network.parameters())


def told_of(seen: Seen, stage: int) -> Told:
    """Return what the network reads of the bitstreams of one stage."""
    grid, latent, vector = (torch.from_numpy(np.ascontiguousarray(v)) for v in (seen.grid, seen.latent, seen.vector))
    return Told(grid, latent, vector, torch.full((len(grid),), stage))


def train_attack(
    fit: Collection, validation: Collection, stages: int, settings: AttackTraining, folder: Path, device: str
) -> Attack:
    """Train (or resume, or load) the attack in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(settings.seed)
    network = initial_network(fit, stages).to(device).to(memory_format=torch.channels_last).train()

    def losses(step: int, batch: AttackBatch) -> dict[str, Tensor]:
        # half the digits give twice the speed and, with weights and loss at full precision, the same picture
        with torch.autocast(torch.device(device).type, torch.bfloat16):
            made = network(batch.told)
        distance = ((made - batch.pictures).square() + settings.bend**2).sqrt().mean() - settings.bend
        return {"pixels": distance, "structure": 1 - ssim(made.clamp(0, 1), batch.pictures, data_range=1.0)}

    weights = {"pixels": 1.0, "structure": settings.structure}
    checks = Checks(folder / "checks", validation, stages, settings.check_every, settings.steps, device)
    parameters = [{"params": list(network.parameters()), "lr": settings.learning_rate}]
    batches = partial(read_ahead, partial(batch_at, fit, stages, settings))
    train(network, parameters, losses, weights.__getitem__, batches, settings, folder / "attack.pt", device, checks)
    return checks.chosen(network)


def initial_network(fit: Collection, stages: int) -> PixelDecoder:
    """A network that knows how large the numbers of each stage are, from views all over the training set."""
    sample = np.linspace(0, len(fit) - 1, min(FIT_SAMPLE, len(fit))).astype(np.int64)
    seen = [fit.seen(stage, sample) for stage in range(stages)]
    one = seen[0]
    network = PixelDecoder(
        AttackSizes(one.grid.shape[1], one.latent.shape[1], one.vector.shape[1], one.grid.shape[2], stages)
    )
    for stage, of_stage in enumerate(seen):
        network.grid_norm.fit(stage, torch.from_numpy(of_stage.grid))
        network.latent_norm.fit(stage, torch.from_numpy(of_stage.latent))
        network.vector_norm.fit(stage, torch.from_numpy(of_stage.vector))
    return network


def batch_at(fit: Collection, stages: int, settings: AttackTraining, step: int) -> AttackBatch:
    """Batch number `step`: different views, each from a stage of its own."""
    rng = np.random.default_rng([settings.seed, step])
    chosen = rng.choice(len(fit), min(settings.batch, len(fit)), replace=False)
    stage = rng.integers(0, stages, len(chosen))
    parts = [told_of(fit.seen(int(s), chosen[stage == s]), int(s)) for s in np.unique(stage)]
    order = np.concatenate([chosen[stage == s] for s in np.unique(stage)])
    told = Told(*(torch.cat([getattr(part, name) for part in parts]) for name in ("grid", "latent", "vector", "stage")))
    return AttackBatch(told, as_pictures(fit.take("small", order)))


def as_pictures(pictures: npt.NDArray[np.uint8]) -> Tensor:
    """uint8 [N, H, W, 3] -> float32 [N, 3, H, W] in 0..1."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).permute(0, 3, 1, 2).float() / 255


@torch.inference_mode()
def decoded_pictures(
    network: PixelDecoder, frames: Collection, stage: int, indices: npt.NDArray[np.int64], device: str
) -> Tensor:
    """The attack's pictures float32 [N, 3, S, S] in 0..1 of some frames' bitstreams."""
    made = []
    for first in range(0, len(indices), BATCH):
        told = told_of(frames.seen(stage, indices[first : first + BATCH]), stage)
        made.append(network(told.to(device)).clamp(0, 1).cpu().contiguous())
    return torch.cat(made)


class Checks:
    """Looks at the validation frames while training goes on, and keeps the best weights and every look on disk."""

    def __init__(self, folder: Path, validation: Collection, stages: int, every: int, last: int, device: str) -> None:
        self.folder, self.validation, self.stages = folder, validation, stages
        self.every, self.last, self.device = every, last, device
        folder.mkdir(exist_ok=True)

    def __call__(self, step: int, average: PixelDecoder) -> None:
        """Look after `step` steps, where it is time to."""
        if step % self.every and step != self.last:
            return
        wanted = as_pictures(self.validation.take("small", np.arange(len(self.validation))))
        every = np.arange(len(self.validation))
        check = Check(
            step,
            tuple(
                float(psnr_db(decoded_pictures(average, self.validation, stage, every, self.device), wanted).mean())
                for stage in range(self.stages)
            ),
        )
        earlier = [one.score for one in self.read() if one.step != step]
        save_checkpoint(self.folder / f"{step:06}.pt", step=step, psnr_db=list(check.psnr_db))
        if not earlier or check.score > max(earlier):
            save_checkpoint(self.folder / "best.pt", step=step, weights=average.state_dict())
        print(f"step {step}: validation PSNR by stage {[round(value, 2) for value in check.psnr_db]} dB", flush=True)

    def read(self) -> list[Check]:
        """Every look so far."""
        states = (load_checkpoint(path, "cpu") for path in sorted(self.folder.glob("[0-9]*.pt")))
        return [Check(int(state["step"]), tuple(state["psnr_db"])) for state in states if state is not None]

    def chosen(self, network: PixelDecoder) -> Attack:
        """The best weights, put into `network`."""
        best = load_checkpoint(self.folder / "best.pt", self.device)
        assert best is not None, "the last step is always looked at"
        network.load_state_dict(best["weights"])
        checks = tuple(self.read())
        chosen = next(check for check in checks if check.step == best["step"])
        return Attack(network.eval().requires_grad_(False), chosen, checks)
