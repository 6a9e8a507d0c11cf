"""Checkpoints that a stopped run resumes from, and the moving average of weights that is what gets exported."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any, Generic, TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def save(path: Path, **state: Any) -> None:
    """Write whole or not at all."""
    temporary = path.with_suffix(".tmp")
    torch.save(state, temporary)
    temporary.rename(path)


def load(path: Path, device: str) -> dict[str, Any] | None:
    """Return the checkpoint that `save` wrote, or None where there is nothing yet."""
    return torch.load(path, map_location=device, weights_only=True) if path.exists() else None


class MovingAverage(Generic[Module]):
    """Exponential moving average of a module's parameters; buffers are copied."""

    def __init__(self, module: Module, decay: float) -> None:
        self.module = copy.deepcopy(module).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, module: Module, step: int) -> None:
        """Move towards `module`; early steps move faster, so that the start is forgotten."""
        decay = min(self.decay, (1 + step) / (10 + step))
        for mine, other in zip(self.module.parameters(), module.parameters(), strict=True):
            mine.lerp_(other, 1 - decay)
        for buffer, current in zip(self.module.buffers(), module.buffers(), strict=True):
            buffer.copy_(current)
