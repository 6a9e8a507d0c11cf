"""The codebook-hyperprior codec of one task group (paper 3.1 and 3.2), for training; `shared/entropy` codes with its integer twin.

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
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from compressai.entropy_models import GaussianConditional
from compressai.ops import LowerBound, quantize_ste
from torch import Tensor, nn
from torch.nn import functional as F

from training.export.cdf_tables import gaussian_scales
from training.networks.layers import SeparableResidual, conv, upsample
from training.networks.task import DENSE_CHANNELS, OBJECT_FEATURES, SCENE_FEATURES

PERIPHERAL_CHANNELS = 32
WIDTH = 128
SCALES = len(gaussian_scales())
# the networks put out scale indices in eighths of the grid, a range that an optimiser crosses in few steps
INDEX_UNIT = 8.0
START_INDEX = SCALES / 3 / INDEX_UNIT
# quantisation gains at the start, coarsest and finest operating point: of the transform's outputs, and of the object feature, which codes
# a sure answer as a vector of numbers of about 1
START_GAINS, START_OBJECT_GAINS = (1.5, 6.0), (0.55, 1.4)
START_SIDE_GAIN = 3.0
# orthonormal components of normalised features are larger than what a fresh network puts out
START_LINEAR_GAINS = (0.5, 2.5)


@dataclass(frozen=True)
class CodecSpec:
    """Sizes of a group's codec.

    `linear` 1 adds a linear path beside the networks of E and D (LinearPath), 0 leaves them alone.

    `vector_scene` and `vector_object` are 0 where the group has no such task, or has its feature with spatial dimensions. `channels` is 0
    where no feature has any.
    """

    tasks: tuple[str, ...]
    channels: int
    side_information: int
    vector_scene: int = 0
    vector_object: int = 0
    height: int = 8
    width: int = 8
    rates: int = 4
    sequences: int = 24
    codebook_size: int = 16
    trunk: int = 96
    prediction: int = 64
    linear: int = 0

    @property
    def vector(self) -> int:
        """Length of the vector latent."""
        return self.vector_scene + self.vector_object

    @property
    def dense_tasks(self) -> tuple[str, ...]:
        """Tasks whose features have spatial dimensions."""
        vectors = {"class_scene": self.vector_scene, "class_object": self.vector_object}
        return tuple(task for task in self.tasks if not vectors.get(task))


SPECS = {
    "semantic": CodecSpec(
        ("class_scene", "class_object", "segment_semantic"),
        channels=24,
        side_information=24,
        vector_scene=16,
        vector_object=48,
    ),
    "geometry": CodecSpec(("normal", "reshading", "principal_curvature"), channels=40, side_information=24),
}


@dataclass(frozen=True)
class Coded:
    """features {task: h^_t}; bits float32 [N] of z and v by the model; side_bits [N], the share of v."""

    features: dict[str, Tensor]
    bits: Tensor
    side_bits: Tensor


class LinearPath(nn.Module):
    """h [N, 8 T, 16, 16] of all dense tasks <-> y [N, C, 8, 8]: the 2x2 blocks' principal components, beside which E and D learn the rest.

    At high rates the networks need not learn to let everything through. `initialise` before training; both directions are trained.
    """

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__()
        inputs = DENSE_CHANNELS * len(spec.dense_tasks)
        self.analysis = nn.Conv2d(inputs, spec.channels, 2, 2)
        self.synthesis = nn.ConvTranspose2d(spec.channels, inputs, 2, 2)

    @torch.no_grad()
    def initialise(self, features: Tensor) -> None:
        """From features [N, 8 T, 16, 16]; orthonormal, so that one step is one error in every channel."""
        blocks = F.pixel_unshuffle(features, 2).permute(0, 2, 3, 1).flatten(0, 2).double()
        mean = blocks.mean(0)
        _, vectors = torch.linalg.eigh(torch.cov((blocks - mean).T))
        basis = vectors.flip(1)[:, : self.analysis.out_channels]
        kernel = basis.T.float().view(-1, features.shape[1], 2, 2)
        for layer in (self.analysis, self.synthesis):
            layer.weight.copy_(kernel)
        assert self.analysis.bias is not None
        assert self.synthesis.bias is not None
        self.analysis.bias.copy_(-(basis.T @ mean))
        # one number a channel: a block's four places have the same mean
        self.synthesis.bias.copy_(mean.view(-1, 4).mean(1))


class GroupEncoder(nn.Module):
    """Features h_t -> y: spatial [N, C, 8, 8] and vector [N, K_v] (f_perc, aggregation, E)."""

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__()
        self.spec = spec
        self.peripheral = nn.ModuleDict({task: conv(DENSE_CHANNELS, PERIPHERAL_CHANNELS) for task in spec.dense_tasks})
        if spec.channels:
            self.transform = nn.Sequential(
                conv(PERIPHERAL_CHANNELS * len(spec.dense_tasks), 96), SeparableResidual(96), conv(96, WIDTH, 3, 2),
                SeparableResidual(WIDTH), SeparableResidual(WIDTH), nn.Conv2d(WIDTH, spec.channels, 1),
            )  # fmt: skip
        self.linear = LinearPath(spec) if spec.linear and spec.channels else None
        if self.linear is not None:
            _start_at_zero(self.transform[-1])
        if spec.vector_scene:
            self.scene = nn.Linear(SCENE_FEATURES, spec.vector_scene)
        if spec.vector_object:
            self.object = nn.Linear(OBJECT_FEATURES, spec.vector_object, bias=False)
            nn.init.eye_(self.object.weight)

    def forward(self, features: Mapping[str, Tensor]) -> tuple[Tensor, Tensor]:
        spec = self.spec
        vectors = []
        if spec.vector_scene:
            vectors.append(self.scene(features["class_scene"]))
        if spec.vector_object:
            vectors.append(self.object(features["class_object"]))
        if spec.channels:
            spatial = self.transform(torch.cat([self.peripheral[task](features[task]) for task in spec.dense_tasks], 1))
            if self.linear is not None:
                spatial = spatial + self.linear.analysis(torch.cat([features[task] for task in spec.dense_tasks], 1))
        else:
            spatial = vectors[0].new_zeros(len(vectors[0]), 0, spec.height, spec.width)
        return spatial, torch.cat(vectors, 1) if vectors else spatial.flatten(1)[:, :0]


class GroupDecoder(nn.Module):
    """Dequantised latents -> h^_t (D and the splitting convolutions)."""

    def __init__(self, spec: CodecSpec, linear: LinearPath | None = None) -> None:
        super().__init__()
        self.spec = spec
        self.linear = linear
        self.rate_bias = nn.Parameter(torch.zeros(spec.rates, WIDTH))
        if spec.channels:
            self.inlet = nn.Conv2d(spec.channels, WIDTH, 1)
            self.deep = nn.Sequential(SeparableResidual(WIDTH), SeparableResidual(WIDTH))
            self.shallow = nn.Sequential(upsample(WIDTH, 96), SeparableResidual(96))
        self.split = nn.ModuleDict(
            {
                task: nn.Sequential(SeparableResidual(96, 1), nn.Conv2d(96, DENSE_CHANNELS, 1))
                for task in spec.dense_tasks
            }
        )
        if linear is not None:
            for split in self.split.values():
                assert isinstance(split, nn.Sequential)
                _start_at_zero(split[-1])
        if spec.vector_scene:
            self.scene = nn.Sequential(
                nn.Linear(spec.vector_scene + WIDTH, 128), nn.ReLU(), nn.Linear(128, SCENE_FEATURES)
            )
        if spec.vector_object:
            self.object = nn.Linear(spec.vector_object, OBJECT_FEATURES)
            nn.init.eye_(self.object.weight)
            nn.init.zeros_(self.object.bias)

    def forward(self, spatial: Tensor, vector: Tensor, rate: Tensor) -> dict[str, Tensor]:
        deep, shallow = self.maps(spatial, rate)
        features = {task: self.split[task](shallow) for task in self.spec.dense_tasks}
        if self.linear is not None:
            parts = self.linear.synthesis(spatial).split(DENSE_CHANNELS, 1)
            features = {task: features[task] + part for task, part in zip(self.spec.dense_tasks, parts, strict=True)}
        scene, objects = vector.split([self.spec.vector_scene, self.spec.vector_object], 1)
        if self.spec.vector_scene:
            features["class_scene"] = self.scene(torch.cat([scene, deep.mean((2, 3))], 1))
        if self.spec.vector_object:
            features["class_object"] = self.object(objects)
        return features

    def maps(self, spatial: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """What all tasks share: [N, 128, h, w] and [N, 96, 2h, 2w]; of a latent without spatial dimensions, the bias of the rate alone."""
        bias = at_rate(self.rate_bias, rate)[:, :, None, None]
        if not self.spec.channels:
            return bias, bias[:, :0]
        deep = self.deep(self.inlet(spatial) + bias)
        return deep, self.shallow(deep)


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


def at_rate(table: Tensor, rate: Tensor) -> Tensor:
    """Rows of `table` [R, ...] at the operating points `rate` [N]; a real-valued rate lies between two rows, linearly."""
    if not rate.is_floating_point():
        return table[rate]
    below = rate.floor().clamp(0, len(table) - 1)
    share = (rate - below).clamp(0, 1).view(-1, *(1,) * (table.dim() - 1))
    upper = (below.long() + 1).clamp_max(len(table) - 1)
    return torch.lerp(table[below.long()], table[upper], share)


def _start_at_zero(layer: nn.Module) -> None:
    """What is learned beside a linear path begins with nothing to say."""
    assert isinstance(layer, nn.Conv2d)
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)


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


class HyperSynthesis(nn.Module):
    """v -> mu and scale index of every latent (eq. 7): the float twin of shared/entropy/hyperprior.py."""

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__()
        self.spec = spec
        self.trunk = RateLinear(spec.side_information, spec.trunk, spec.rates)
        if spec.channels:
            self._build_spatial(spec)
        if spec.vector:
            self.vector_hidden = RateLinear(spec.trunk, spec.prediction, spec.rates)
            self.vector_output = RateLinear(spec.prediction, 2 * spec.vector, spec.rates)
            with torch.no_grad():
                self.vector_output.bias[:, spec.vector :] = START_INDEX

    def _build_spatial(self, spec: CodecSpec) -> None:
        self.coefficients = RateLinear(spec.trunk, spec.sequences * spec.codebook_size, spec.rates)
        self.codebook = nn.Parameter(torch.randn(spec.codebook_size, spec.height, spec.width) * 0.5)
        self.hidden = RateLinear(spec.sequences, spec.prediction, spec.rates)
        self.output = RateLinear(spec.prediction, 2 * spec.channels, spec.rates)
        with torch.no_grad():
            self.output.bias[:, spec.channels :] = START_INDEX

    def resampled_codebook(self, height: int, width: int) -> Tensor:
        """The codebook for a latent of another size [tau, height, width]: bilinear, half-pixel centres."""
        if (height, width) == (self.spec.height, self.spec.width):
            return self.codebook
        return F.interpolate(self.codebook[None], size=(height, width), mode="bilinear", align_corners=False)[0]

    def forward(self, v: Tensor, rate: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        """v [N, V] -> mu [N, K] and scale index [N, K] (real-valued), K = C*height*width + vector."""
        spec = self.spec
        trunk = torch.relu(self.trunk(v, rate))
        means, scales = [], []
        if spec.channels:
            mean, scale = self._spatial(trunk, rate, height, width)
            means.append(mean)
            scales.append(scale)
        if spec.vector:
            mean, scale = self.vector_output(torch.relu(self.vector_hidden(trunk, rate)), rate).split(spec.vector, 1)
            means.append(mean)
            scales.append(scale)
        return torch.cat(means, 1), torch.cat(scales, 1) * INDEX_UNIT

    def _spatial(self, trunk: Tensor, rate: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
        spec = self.spec
        a = self.coefficients(trunk, rate).view(-1, spec.sequences, spec.codebook_size)
        hyperprior = a @ self.resampled_codebook(height, width).flatten(1)
        hidden = torch.relu(self.hidden(hyperprior.transpose(1, 2), rate))
        mean, scale = self.output(hidden, rate).transpose(1, 2).split(spec.channels, 1)
        return mean.flatten(1), scale.flatten(1)


def _log_gains(limits: tuple[float, float], rates: int, elements: int) -> Tensor:
    return torch.linspace(math.log(limits[0]), math.log(limits[1]), rates)[:, None].expand(-1, elements)


class TransformCodec(nn.Module):
    """E, D and the quantisation gains of one group; a subclass says how z is priced (paper 3.1: any q(z) may stand there)."""

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__()
        self.spec = spec
        self.encoder = GroupEncoder(spec)
        self.decoder = GroupDecoder(spec, LinearPath(spec) if spec.linear and spec.channels else None)
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
        dense = torch.cat([features[task] for task in self.spec.dense_tasks], 1) if self.spec.dense_tasks else None
        for path in (self.encoder.linear, self.decoder.linear):
            if path is not None and dense is not None:
                path.initialise(dense)

    def scaled(self, features: Mapping[str, Tensor], rate: Tensor) -> Tensor:
        """y * gain [N, K]: what is rounded to z."""
        spatial, vector = self.encoder(features)
        return torch.cat(
            [(spatial * self._spatial(self.log_gain, rate)).flatten(1), vector * self._vector(self.log_gain, rate)], 1
        )

    def dequantised(self, z: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """z [N, K] -> spatial [N, C, h, w] and vector [N, K_v] latents at the network's scale."""
        size = self.spec.channels * self.spec.height * self.spec.width
        spatial = z[:, :size].view(len(z), self.spec.channels, self.spec.height, self.spec.width)
        vector = z[:, size:] * self._vector(self.log_inverse_gain, rate)
        return spatial * self._spatial(self.log_inverse_gain, rate), vector

    def decode(self, z: Tensor, rate: Tensor) -> dict[str, Tensor]:
        """z [N, K] -> {task: h^_t}."""
        return self.decoder(*self.dequantised(z, rate), rate)

    def scale(self, index: Tensor) -> Tensor:
        """Standard deviation at a (real-valued) index of the CDF tables' grid."""
        bounded = self.index_bound(index).clamp_max(SCALES - 1)
        return torch.exp(self.log_scale_start + self.log_scale_step * bounded)

    def forward(self, features: Mapping[str, Tensor], rate: Tensor) -> Coded:
        """Code and decode with a differentiable estimate of the bits (uniform noise for the rate, rounding for the distortion)."""
        scaled = self.scaled(features, rate)
        z = quantize_ste(scaled)
        bits, side_bits = self.bits(scaled, z, rate)
        return Coded(self.decode(z, rate), bits, side_bits)

    def bits(self, scaled: Tensor, z: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """Bits of z with its side information, and of the side information alone, each [N] (eq. 6); with uniform noise while training."""
        raise NotImplementedError

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
        self.hyper_synthesis = HyperSynthesis(spec)
        self.log_side_gain = nn.Parameter(torch.full((spec.rates, spec.side_information), math.log(START_SIDE_GAIN)))
        self.side_scale = nn.Parameter(torch.full((spec.rates, spec.side_information), START_INDEX))

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
