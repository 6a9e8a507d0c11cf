"""Layers that task networks and codec share: cheap separable convolutions, all exportable to ONNX."""

from __future__ import annotations

import torch
from torch import Tensor, nn


class SeparableResidual(nn.Module):
    """x + pointwise(relu(depthwise 3x3(x))) [N, C, H, W], with batch normalisation (folded by the exporter)."""

    def __init__(self, channels: int, expand: int = 2) -> None:
        super().__init__()
        inner = channels * expand
        self.layers = nn.Sequential(
            nn.Conv2d(channels, inner, 1, bias=False), nn.BatchNorm2d(inner), nn.ReLU(inplace=True),
            nn.Conv2d(inner, inner, 3, padding=1, groups=inner, bias=False), nn.BatchNorm2d(inner), nn.ReLU(inplace=True),
            nn.Conv2d(inner, channels, 1, bias=False), nn.BatchNorm2d(channels),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def conv(inputs: int, outputs: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    """Convolution, batch normalisation, ReLU; 'same' padding for odd kernels."""
    return nn.Sequential(
        nn.Conv2d(inputs, outputs, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(outputs),
        nn.ReLU(inplace=True),
    )


def upsample(inputs: int, outputs: int) -> nn.Sequential:
    """Twice the height and width by a pointwise convolution and pixel shuffle."""
    return nn.Sequential(
        nn.Conv2d(inputs, 4 * outputs, 1, bias=False),
        nn.BatchNorm2d(4 * outputs),
        nn.ReLU(inplace=True),
        nn.PixelShuffle(2),
    )


def at_rate(table: Tensor, rate: Tensor) -> Tensor:
    """Rows of `table` [R, ...] at the operating points `rate` [N]; a real-valued rate lies between two rows, linearly."""
    if not rate.is_floating_point():
        return table[rate]
    below = rate.floor().clamp(0, len(table) - 1)
    share = (rate - below).clamp(0, 1).view(-1, *(1,) * (table.dim() - 1))
    upper = (below.long() + 1).clamp_max(len(table) - 1)
    return torch.lerp(table[below.long()], table[upper], share)
