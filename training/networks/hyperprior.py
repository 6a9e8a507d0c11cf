"""The codebook hyperprior of one task group (paper 3.1, eq. 7), for training.

`shared/codec/hyper_synthesis.py` is its integer twin.

z --/gain_r--> hyper-analysis, pooling --> v
mu_k, sigma_k of every z_k <--prediction <-- Z = A C (codebook) <-- A <-- trunk <-- v
(vector latents: mu, sigma by a perceptron straight from the trunk)
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.networks.codec_spec import CodecSpec, gaussian_scales
from training.networks.layers import at_rate, conv
from training.networks.transform import WIDTH

SCALES = len(gaussian_scales())
# The networks put out scale indices in eighths of the grid, a range that an optimiser crosses in few steps.
INDEX_UNIT = 8.0
START_INDEX = SCALES / 3 / INDEX_UNIT


class HyperAnalysis(nn.Module):
    """Dequantised latents and rate -> real-valued v [N, V]: convolutions on the latent and its coordinates, then global pooling."""

    coordinates: Tensor

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__()
        self.spatial = nn.Sequential(conv(spec.channels + 2, WIDTH, 1), conv(WIDTH, WIDTH, 3))
        self.hidden = nn.Linear(WIDTH + spec.vector, WIDTH)
        self.rate_bias = nn.Parameter(torch.zeros(spec.rates, WIDTH))
        self.side = nn.Linear(WIDTH, spec.side_information)
        rows, columns = torch.meshgrid(
            torch.linspace(-1, 1, spec.height), torch.linspace(-1, 1, spec.width), indexing="ij"
        )
        self.register_buffer("coordinates", torch.stack([columns, rows])[None], persistent=False)

    def forward(self, spatial: Tensor, vector: Tensor, rate: Tensor) -> Tensor:
        coordinates = self.coordinates.expand(spatial.shape[0], -1, -1, -1)
        pooled = self.spatial(torch.cat([spatial, coordinates], 1)).mean((2, 3))
        hidden = self.hidden(torch.cat([pooled, vector], 1)) + at_rate(self.rate_bias, rate)
        return self.side(torch.relu(hidden))


class RateLinear(nn.Module):
    """Linear layer whose bias depends on the operating point: x [N, ..., I] -> [N, ..., O]."""

    def __init__(self, inputs: int, outputs: int, rates: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        nn.init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        self.bias = nn.Parameter(torch.zeros(rates, outputs))

    def forward(self, x: Tensor, rate: Tensor) -> Tensor:
        bias = at_rate(self.bias, rate)
        return F.linear(x, self.weight) + (bias if x.dim() == 2 else bias[:, None])


class HyperSynthesisNetwork(nn.Module):
    """v -> mu and scale index of every latent (eq. 7): the float twin of shared/codec/hyper_synthesis.py."""

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__()
        self.spec = spec
        self.trunk = RateLinear(spec.side_information, spec.trunk, spec.rates)
        if spec.channels:
            self.coefficients = RateLinear(spec.trunk, spec.sequences * spec.codebook_size, spec.rates)
            self.codebook = nn.Parameter(torch.randn(spec.codebook_size, spec.height, spec.width) * 0.5)
            self.hidden = RateLinear(spec.sequences, spec.prediction, spec.rates)
            self.output = RateLinear(spec.prediction, 2 * spec.channels, spec.rates)
            with torch.no_grad():
                self.output.bias[:, spec.channels :] = START_INDEX
        if spec.vector:
            self.vector_hidden = RateLinear(spec.trunk, spec.prediction, spec.rates)
            self.vector_output = RateLinear(spec.prediction, 2 * spec.vector, spec.rates)
            with torch.no_grad():
                self.vector_output.bias[:, spec.vector :] = START_INDEX

    def resampled_codebook(self, height: int, width: int) -> Tensor:
        """The codebook for a latent of another size [tau, height, width]: bilinear, half-pixel centres."""
        if (height, width) == (self.spec.height, self.spec.width):
            return self.codebook
        return F.interpolate(self.codebook[None], size=(height, width), mode="bilinear", align_corners=False)[0]

    def forward(self, v: Tensor, rate: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """v [N, V] -> mu [N, K] and scale index [N, K] (real-valued), K = C*height*width + vector."""
        spec = self.spec
        trunk = torch.relu(self.trunk(v, rate))
        parts = []
        if spec.channels:
            parts.append(self._spatial(trunk, rate, height, width))
        if spec.vector:
            mean, scale = self.vector_output(torch.relu(self.vector_hidden(trunk, rate)), rate).split(spec.vector, 1)
            parts.append((mean, scale))
        means, scales = zip(*parts)
        return torch.cat(means, 1), torch.cat(scales, 1) * INDEX_UNIT

    def _spatial(self, trunk: Tensor, rate: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        spec = self.spec
        a = self.coefficients(trunk, rate).view(-1, spec.sequences, spec.codebook_size)
        hyperprior = a @ self.resampled_codebook(height, width).flatten(1)
        hidden = torch.relu(self.hidden(hyperprior.transpose(1, 2), rate))
        mean, scale = self.output(hidden, rate).transpose(1, 2).split(spec.channels, 1)
        return mean.flatten(1), scale.flatten(1)
