"""The codebook-hyperprior codec of one task group (paper 3.1 and 3.2), for training; `shared/codec` codes with its integer twin.

    h_t --f_perc_t--+                           +--gain_r, round--> z --/gain_r--> D --split_t--> h^_t
                    +--concat--> E --> y -------+                   |
    h_t (vectors) --linear------------------->  +                   +--hyper-analysis, pooling, round--> v
                                                                                                         |
             mu_k, sigma_k of every z_k <--prediction <-- Z = A C (codebook) <-- A <-- trunk <-----------+
                                     (vector latents: mu, sigma by a perceptron straight from the trunk)

Operating points: gain vectors per rate r, one network for all of them. z and v are integers; sigma lives on the grid of the CDF tables.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from compressai.entropy_models import GaussianConditional
from compressai.ops import LowerBound, quantize_ste
from torch import Tensor, nn

from training.networks.codec_spec import CodecSpec, gaussian_scales
from training.networks.hyperprior import INDEX_UNIT, SCALES, START_INDEX, HyperAnalysis, HyperSynthesisNetwork
from training.networks.layers import at_rate
from training.networks.transform import GroupDecoder, GroupEncoder, set_to_principal_components

# These are the quantisation gains at the start, of the coarsest and the finest operating point: of the transform's outputs,
# and of the object feature, which codes a sure answer as a vector of numbers of about 1.
START_GAINS, START_OBJECT_GAINS = (1.5, 6.0), (0.55, 1.4)
START_SIDE_GAIN = 3.0
# Orthonormal components of normalised features are larger than what a fresh network puts out.
START_LINEAR_GAINS = (0.5, 2.5)


@dataclass(frozen=True)
class CodedFeatures:
    """features {task: h^_t}; bits float32 [N] of z and v by the model; side_bits [N], the share of v."""

    features: dict[str, Tensor]
    bits: Tensor
    side_bits: Tensor


def _log_gains(limits: tuple[float, float], rates: int, elements: int) -> Tensor:
    return torch.linspace(math.log(limits[0]), math.log(limits[1]), rates)[:, None].expand(-1, elements)


class TransformCodec(nn.Module, ABC):
    """E, D and the quantisation gains of one group; a subclass says how z is priced (paper 3.1: any q(z) may stand there)."""

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__()
        self.spec = spec
        self.encoder = GroupEncoder(spec)
        self.decoder = GroupDecoder(spec)
        plain, objects = spec.channels + spec.vector_scene, spec.vector_object
        gains = START_LINEAR_GAINS if spec.linear else START_GAINS
        start = torch.cat(
            [_log_gains(gains, spec.rates, plain), _log_gains(START_OBJECT_GAINS, spec.rates, objects)], 1
        )
        self.log_gain = nn.Parameter(start)
        self.log_inverse_gain = nn.Parameter(-start.clone())
        self.entropy = GaussianConditional(None)
        self.index_bound = LowerBound(0.0)
        scales = torch.as_tensor(gaussian_scales())
        self.log_scale_start = float(scales[0].log())
        self.log_scale_step = float((scales[-1] / scales[0]).log() / (len(scales) - 1))

    def initialise(self, features: Mapping[str, Tensor]) -> None:
        """Set the linear paths of E and D, where there are any, from features [N, 8, 16, 16] of every dense task."""
        analysis, synthesis = self.encoder.linear, self.decoder.linear
        if analysis is not None and synthesis is not None:
            dense = torch.cat([features[task] for task in self.spec.dense_tasks], 1)
            set_to_principal_components(analysis, synthesis, dense)

    def scaled(self, features: Mapping[str, Tensor], rate: Tensor) -> Tensor:
        """y * gain [N, K]: what is rounded to z."""
        spatial, vector = self.encoder(features)
        return torch.cat(
            [(spatial * self._spatial(self.log_gain, rate)).flatten(1), vector * self._vector(self.log_gain, rate)], 1
        )

    def dequantised(self, z: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """z [N, K] -> spatial [N, C, h, w] and vector [N, K_v] latents at the network's scale."""
        size = self.spec.channels * self.spec.height * self.spec.width
        spatial = z[:, :size].view(z.shape[0], self.spec.channels, self.spec.height, self.spec.width)
        vector = z[:, size:] * self._vector(self.log_inverse_gain, rate)
        return spatial * self._spatial(self.log_inverse_gain, rate), vector

    def decode(self, z: Tensor, rate: Tensor) -> dict[str, Tensor]:
        """z [N, K] -> {task: h^_t}."""
        return self.decoder(*self.dequantised(z, rate), rate)

    def scale(self, index: Tensor) -> Tensor:
        """Standard deviation at a (real-valued) index of the CDF tables' grid."""
        bounded = self.index_bound(index).clamp_max(SCALES - 1)
        return torch.exp(self.log_scale_start + self.log_scale_step * bounded)

    @abstractmethod
    def forward(self, features: Mapping[str, Tensor], rate: Tensor) -> CodedFeatures:
        """Code and decode `features` at the operating points `rate` [N], with a differentiable estimate of the bits."""

    def _noisy(self, values: Tensor, rounded: Tensor) -> Tensor:
        return values + torch.empty_like(values).uniform_(-0.5, 0.5) if self.training else rounded

    def _bits(self, values: Tensor, scales: Tensor, means: Tensor | None) -> Tensor:
        likelihood = self.entropy.likelihood_lower_bound(self.entropy._likelihood(values, scales, means))
        return -likelihood.log2().sum(1)

    def _spatial(self, gains: Tensor, rate: Tensor) -> Tensor:
        return at_rate(gains, rate)[:, : self.spec.channels].exp()[:, :, None, None]

    def _vector(self, gains: Tensor, rate: Tensor) -> Tensor:
        return at_rate(gains, rate)[:, self.spec.channels :].exp()


class GroupCodec(TransformCodec):
    """Everything between h_t and h^_t of one group, with the codebook hyperprior."""

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__(spec)
        self.hyper_analysis = HyperAnalysis(spec)
        self.hyper_synthesis = HyperSynthesisNetwork(spec)
        self.log_side_gain = nn.Parameter(torch.full((spec.rates, spec.side_information), math.log(START_SIDE_GAIN)))
        self.side_scale = nn.Parameter(torch.full((spec.rates, spec.side_information), START_INDEX))

    def forward(self, features: Mapping[str, Tensor], rate: Tensor) -> CodedFeatures:
        """Uniform noise for the rate, rounding for the distortion."""
        scaled = self.scaled(features, rate)
        z = quantize_ste(scaled)
        bits, side_bits = self.bits(scaled, z, rate)
        return CodedFeatures(self.decode(z, rate), bits, side_bits)

    def quantised(self, features: Mapping[str, Tensor], rate: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """y * gain before rounding [N, K], z [N, K] and v [N, V] after it (straight-through gradients)."""
        scaled = self.scaled(features, rate)
        z = quantize_ste(scaled)
        return scaled, z, self.side_information(z, rate)

    def side_information(self, z: Tensor, rate: Tensor) -> Tensor:
        """z [N, K] -> v [N, V], rounded (straight-through gradients)."""
        return quantize_ste(
            self.hyper_analysis(*self.dequantised(z, rate), rate) * at_rate(self.log_side_gain, rate).exp()
        )

    def prediction(self, v: Tensor, z: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """mu and scale index of every z_k [N, K]; this codec's depend on v alone."""
        del z
        return self.hyper_synthesis(v, rate, self.spec.height, self.spec.width)

    def bits(self, scaled: Tensor, z: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """Bits of z and v together, and of v alone, each [N] (eq. 6); with uniform noise for the rounding while training."""
        v = self.side_information(z, rate)
        mean, index = self.prediction(v, z, rate)
        side = self._bits(self._noisy(v, v), self.scale(at_rate(self.side_scale, rate) * INDEX_UNIT), None)
        return self._bits(self._noisy(scaled, z), self.scale(index), mean) + side, side
