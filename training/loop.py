"""The loop that every training stage runs: batches, losses, one optimiser step, the moving average, checkpoints.

Law: stopped after any checkpoint and started again, a stage goes on as if it had not been stopped.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Protocol, Self, TypeVar

import torch
from torch import Tensor, nn
from tqdm import tqdm

CHECKPOINT_EVERY_STEPS = 100
SHOW_EVERY_STEPS = 20
GRADIENT_LIMIT = 5.0
STEP_SEEDS = 1_000_003


class Movable(Protocol):
    """A batch, as the loop sees it."""

    def to(self, device: str) -> Self: ...


Network = TypeVar("Network", bound=nn.Module)
AnyBatch = TypeVar("AnyBatch", bound=Movable)


@dataclass(frozen=True, kw_only=True)
class LoopSettings:
    """The settings that all stages have in common."""

    steps: int
    weight_decay: float
    seed: int
    warm_up_steps: int = 100
    average_decay: float = 0.995


def train(
    networks: Network,
    parameters: list[dict[str, Any]],
    losses_of: Callable[[int, AnyBatch], dict[str, Tensor]],
    weight_of: Callable[[str], float],
    batches: Callable[[int, int], Iterator[tuple[int, AnyBatch]]],
    settings: LoopSettings,
    path: Path,
    device: str,
    inspect: Callable[[int, Network], None] | None = None,
) -> Network:
    """Train `networks` (modes and frozen parts as they are) or resume from `path`; returns their moving average.

    parameters: the optimiser's groups, with their learning rates. losses_of: losses by name of a step's batch. weight_of: a loss's weight.
    batches: the batches of the steps `first` .. `last` - 1, with their numbers. inspect: shown the number of steps done and the average
    before each checkpoint is written; after a stop it may see the same again, and never misses one.
    """
    optimiser = torch.optim.AdamW(parameters, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: learning_rate_factor(step, settings.steps, settings.warm_up_steps)
    )
    average = MovingAverage(networks, settings.average_decay)
    first = 0
    if state := load_checkpoint(path, device):
        average.module.load_state_dict(state["average"])
        if state["step"] >= settings.steps:
            return average.module
        networks.load_state_dict(state["networks"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        first = state["step"]
    progress = tqdm(
        batches(first, settings.steps), initial=first, total=settings.steps, desc=path.stem, mininterval=2.0
    )
    shown: dict[str, float] = {}
    for step, cpu_batch in progress:
        # Dropout and noise depend on the step alone, so that a resumed run goes on as an uninterrupted one.
        torch.manual_seed(settings.seed * STEP_SEEDS + step)
        losses = losses_of(step, cpu_batch.to(device))
        total = sum((weight_of(name) * loss for name, loss in losses.items()), torch.zeros((), device=device))
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_([p for p in networks.parameters() if p.requires_grad], GRADIENT_LIMIT)
        optimiser.step()
        schedule.step()
        average.update(networks, step)
        for name, loss in losses.items():
            shown[name] = 0.95 * shown.get(name, loss.item()) + 0.05 * loss.item()
        if step % SHOW_EVERY_STEPS == 0:
            short = {"~" + n[6:11] if n.startswith("mimic ") else n[:8]: f"{value:.3f}" for n, value in shown.items()}
            progress.set_postfix(short)
        if (step + 1) % CHECKPOINT_EVERY_STEPS == 0 or step + 1 == settings.steps:
            if inspect is not None:
                inspect(step + 1, average.module)
            save_checkpoint(
                path,
                networks=networks.state_dict(),
                average=average.module.state_dict(),
                optimiser=optimiser.state_dict(),
                schedule=schedule.state_dict(),
                step=step + 1,
            )
    return average.module


def learning_rate_factor(step: int, steps: int, warm_up: int) -> float:
    """Linear warm-up, then half a cosine down to 2 %."""
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


class MovingAverage(Generic[Network]):
    """Exponential moving average of a module's parameters; buffers are copied."""

    def __init__(self, module: Network, decay: float) -> None:
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, module: Network, step: int) -> None:
        """Move towards `module`; early steps move faster, so that the start is forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for mine, other in zip(self.module.parameters(), module.parameters(), strict=True):
            mine.lerp_(other, 1 - decay)
        for buffer, current in zip(self.module.buffers(), module.buffers(), strict=True):
            buffer.copy_(current)


def save_checkpoint(path: Path, **state: Any) -> None:
    """Write the file whole or not at all."""
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.rename(path)


def load_checkpoint(path: Path, device: str) -> dict[str, Any] | None:
    """Return what `save_checkpoint` wrote, or None where there is nothing yet."""
    return torch.load(path, map_location=device, weights_only=True) if path.exists() else None
