"""The attack's network: what a bitstream tells, to pixels.

    z [N, c, 8, 8] --convolutions, twice the size--+
    h^_t [N, C, 16, 16] ---------------------------+--> residual blocks at 16, 32 and 64 cells --pixel shuffle--> picture [N, 3, 128, 128]
    vectors [N, V], stage --perceptron--> added in each block at 16; learned maps of what rooms look like where

One network for all stages: each has its own normalisation, and a learned vector that says which it is.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

CONDITION = 128
PLACES = 16


@dataclass(frozen=True)
class Told:
    """The content of N bitstreams. grid [N, C, G, G], latent [N, c, g, g], vector [N, V], stage int64 [N]."""

    grid: Tensor
    latent: Tensor
    vector: Tensor
    stage: Tensor

    def to(self, device: str) -> Told:
        """The same on `device`, maps in channels-last order."""
        return Told(
            self.grid.to(device).contiguous(memory_format=torch.channels_last),
            self.latent.to(device).contiguous(memory_format=torch.channels_last),
            self.vector.to(device),
            self.stage.to(device),
        )


@dataclass(frozen=True)
class AttackSizes:
    """grid, latent, vector: channels. cells: G, on a side of the grid. widths, blocks: of the network at G, 2 G and 4 G cells."""

    grid: int
    latent: int
    vector: int
    cells: int
    stages: int
    widths: tuple[int, int, int] = (160, 80, 40)
    blocks: tuple[int, int, int] = (5, 2, 1)


class Normalise(nn.Module):
    """Zero mean and unit deviation of each channel, by stage; what never changes at a stage becomes zero."""

    def __init__(self, stages: int, channels: int) -> None:
        super().__init__()
        self.mean: Tensor
        self.factor: Tensor
        self.register_buffer("mean", torch.zeros(stages, channels))
        self.register_buffer("factor", torch.ones(stages, channels))

    def fit(self, stage: int, sample: Tensor) -> None:
        """Set a stage's figures from values [N, channels, ...]."""
        values = sample.transpose(0, 1).flatten(1)
        deviation = values.std(1)
        # a channel that a stage quantises away would otherwise turn a rare 1 into an enormous input
        self.mean[stage] = values.mean(1)
        self.factor[stage] = torch.where(deviation > 1e-3, 1 / deviation.clamp_min(1e-3), torch.zeros(()))

    def forward(self, x: Tensor, stage: Tensor) -> Tensor:
        """x [N, channels, ...], stage int64 [N]; the result lies in -8..8."""
        shape = (*x.shape[:2], *(1,) * (x.dim() - 2))
        mean, factor = self.mean[stage].view(shape), self.factor[stage].view(shape)
        return ((x - mean) * factor).clamp(-8, 8)


class Residual(nn.Module):
    """x + conv(relu(conv(x) + what the condition says)); starts as the identity."""

    def __init__(self, channels: int, condition: int = 0) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.shift = nn.Linear(condition, channels) if condition else None
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(self.second.bias)  # type: ignore[arg-type]

    def forward(self, x: Tensor, condition: Tensor | None = None) -> Tensor:
        """x [N, channels, H, W], condition [N, condition]."""
        inner = self.first(x)
        if self.shift is not None and condition is not None:
            inner = inner + self.shift(condition)[:, :, None, None]
        found: Tensor = x + self.second(F.relu(inner))
        return found


class PixelDecoder(nn.Module):
    """Told -> pictures float32 [N, 3, 8 G, 8 G], about 0..1."""

    def __init__(self, sizes: AttackSizes) -> None:
        super().__init__()
        self.sizes = sizes
        wide, middle, narrow = sizes.widths
        self.grid_norm = Normalise(sizes.stages, sizes.grid)
        self.latent_norm = Normalise(sizes.stages, sizes.latent)
        self.vector_norm = Normalise(sizes.stages, sizes.vector)
        self.stage = nn.Embedding(sizes.stages, CONDITION)
        self.condition = nn.Sequential(
            nn.Linear(sizes.vector + CONDITION, CONDITION), nn.ReLU(), nn.Linear(CONDITION, CONDITION), nn.ReLU()
        )
        self.latent = nn.Sequential(
            nn.Conv2d(sizes.latent, wide // 2, 3, padding=1), nn.ReLU(), Residual(wide // 2), Residual(wide // 2)
        )
        self.places = nn.Parameter(0.1 * torch.randn(1, PLACES, sizes.cells, sizes.cells))
        self.stem = nn.Conv2d(sizes.grid + wide // 2 + PLACES, wide, 3, padding=1)
        self.coarse = nn.ModuleList(Residual(wide, CONDITION) for _ in range(sizes.blocks[0]))
        self.fine = nn.Sequential(
            nn.Conv2d(wide, 4 * middle, 1), nn.PixelShuffle(2), *(Residual(middle) for _ in range(sizes.blocks[1])),
            nn.Conv2d(middle, 4 * narrow, 1), nn.PixelShuffle(2), *(Residual(narrow) for _ in range(sizes.blocks[2])),
        )  # fmt: skip
        self.pixels = nn.Sequential(nn.Conv2d(narrow, 12, 3, padding=1), nn.PixelShuffle(2))

    def forward(self, told: Told) -> Tensor:
        vector = self.vector_norm(told.vector, told.stage)
        condition = self.condition(torch.cat([vector, self.stage(told.stage)], 1))
        latent = self.latent(self.latent_norm(told.latent, told.stage))
        cells = (self.sizes.cells, self.sizes.cells)
        latent = F.interpolate(latent, size=cells, mode="bilinear", align_corners=False)
        grid = self.grid_norm(told.grid, told.stage)
        x = self.stem(torch.cat([grid, latent, self.places.expand(len(grid), -1, -1, -1)], 1))
        for block in self.coarse:
            x = block(x, condition)
        found: Tensor = self.pixels(self.fine(F.relu(x))).float() + 0.5
        return found
