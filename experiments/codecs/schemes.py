"""The schemes that are compared (paper 4.2), all on the same transform (E, D): only how z is priced differs.

control      y itself goes to D: no rounding, no rate ("a transform network with an identical structure, no bit-rate constraint")
codebook     the paper's: v by global pooling, mu and sigma from the codebook (training.networks.codec.GroupCodec)
linear       codebook, with a linear path beside the networks of E and D (training.networks.transform; ours)
positions    no side information: the codebook's networks on a constant give every position and channel a mu and a sigma, always the same
channels     no side information and no positions: a mu and a sigma for every channel
context      codebook, and mu and sigma of a channel group corrected by the groups decoded before it (ours)
hyperprior   spatial hyper-latent, mu and sigma by convolutions (Minnen et al. 2018), through CompressAI's layers
scale        the same without mu: Balle et al. 2018, the paper's [1, 3]
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import torch
from compressai.entropy_models import EntropyBottleneck, GaussianConditional
from compressai.layers import conv3x3
from compressai.models.base import get_scale_table
from compressai.models.utils import conv, deconv
from compressai.ops import quantize_ste
from torch import Tensor, nn
from torch.nn import functional as F

from training.networks.codec import CodedFeatures, GroupCodec, TransformCodec
from training.networks.codec_spec import CodecSpec
from training.networks.hyperprior import INDEX_UNIT, SCALES, START_INDEX
from training.networks.layers import at_rate

HYPER_WIDTH, HYPER_CHANNELS, HYPER_VECTOR = 48, 16, 8
CONTEXT_GROUPS, CONTEXT_WIDTH = 4, 24
SCALE_INDEX_START = SCALES / 3


class ControlCodec(TransformCodec):
    """The transform alone. Its bits are zero."""

    def forward(self, features: Mapping[str, Tensor], rate: Tensor) -> CodedFeatures:
        y = self.scaled(features, rate)
        none = y.new_zeros(len(y))
        return CodedFeatures(self.decode(y, rate), none, none)


class PositionsCodec(GroupCodec):
    """Codebook hyperprior that is told nothing: v is zero, and mu and sigma are those of a constant in its place.

    What a hyperprior of any kind gains is measured against this and against ChannelsCodec.
    """

    def side_information(self, z: Tensor, rate: Tensor) -> Tensor:
        return z.new_zeros(len(z), self.spec.side_information)

    def prediction(self, v: Tensor, z: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        return super().prediction(torch.ones_like(v), z, rate)


class ChannelsCodec(PositionsCodec):
    """One mu and one sigma for each channel and operating point, wherever in the picture."""

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__(spec)
        self.channel_mean = nn.Parameter(torch.zeros(spec.rates, spec.channels + spec.vector))
        self.channel_index = nn.Parameter(torch.full((spec.rates, spec.channels + spec.vector), START_INDEX))

    def prediction(self, v: Tensor, z: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        mean, index = (self._spread(at_rate(table, rate)) for table in (self.channel_mean, self.channel_index))
        return mean, index * INDEX_UNIT

    def _spread(self, values: Tensor) -> Tensor:
        """[N, C + K_v] -> [N, K]."""
        spatial, vector = values.split([self.spec.channels, self.spec.vector], 1)
        return torch.cat([spatial.repeat_interleave(self.spec.height * self.spec.width, 1), vector], 1)


class ContextCodec(GroupCodec):
    """Codebook hyperprior with context across channel groups: what is said of z_k depends on v and on the groups before k's own.

    Decoding takes CONTEXT_GROUPS steps over all positions at once. Sums of products of small integers and weights: as exact in integers as
    the hyper-synthesis itself.
    """

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__(spec)
        self.context = ChannelContext(spec) if spec.channels else None

    def prediction(self, v: Tensor, z: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        mean, index = super().prediction(v, z, rate)
        if self.context is None:
            return mean, index
        size = self.spec.channels * self.spec.height * self.spec.width
        # without the gradient to z: the encoder shall not bend it towards what is easy to predict from rounded neighbours
        spatial = z[:, :size].detach().view(len(z), self.spec.channels, self.spec.height, self.spec.width)
        correction = self.context(spatial, mean[:, :size].view_as(spatial), rate)
        mean_change, index_change = (part.flatten(1) for part in correction.split(self.spec.channels, 1))
        rest = mean.shape[1] - size
        return mean + F.pad(mean_change, (0, rest)), index + F.pad(index_change, (0, rest)) * INDEX_UNIT


class ChannelContext(nn.Module):
    """z and its predicted mean [N, C, h, w] -> corrections [N, 2C, h, w]; channel group g sees z of the groups before g only.

    Two layers with masked weights (as in MADE): 3x3 from z - mu to hidden units of the next group, 1x1 from hidden groups up to one's own.
    """

    first_mask: Tensor
    second_mask: Tensor

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__()
        group_of = torch.arange(spec.channels) * CONTEXT_GROUPS // spec.channels
        hidden_of = torch.arange(CONTEXT_GROUPS * CONTEXT_WIDTH) // CONTEXT_WIDTH
        self.first = nn.Conv2d(spec.channels, len(hidden_of), 3, padding=1)
        self.second = nn.Conv2d(len(hidden_of), 2 * spec.channels, 1)
        self.rate_bias = nn.Parameter(torch.zeros(spec.rates, len(hidden_of)))
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(cast(Tensor, self.second.bias))
        first = (group_of[None] < hidden_of[:, None]).float()[:, :, None, None]
        second = (hidden_of[None] <= group_of.repeat(2)[:, None]).float()[:, :, None, None]
        self.register_buffer("first_mask", first, persistent=False)
        self.register_buffer("second_mask", second, persistent=False)

    def forward(self, z: Tensor, mean: Tensor, rate: Tensor) -> Tensor:
        hidden = F.conv2d(z - mean, self.first.weight * self.first_mask, self.first.bias, padding=1)
        hidden = torch.relu(hidden + at_rate(self.rate_bias, rate)[:, :, None, None])
        return F.conv2d(hidden, self.second.weight * self.second_mask, self.second.bias)


class HyperpriorCodec(TransformCodec):
    """CompressAI's hyperprior on the same transform: y -> h_a -> spatial hyper-latent (EntropyBottleneck) -> h_s -> mu, sigma.

    A latent without spatial dimensions has a small perceptron instead of the convolutions. As the codebook codec, one network serves all
    operating points: layers have a bias per rate, and each rate has a bottleneck of its own. z is rounded around its mean, as
    CompressAI does.
    """

    def __init__(self, spec: CodecSpec, with_mean: bool = True) -> None:
        super().__init__(spec)
        self.with_mean = with_mean
        self.gaussian = GaussianConditional(get_scale_table().tolist())
        self.rate_bias = nn.Parameter(torch.zeros(spec.rates, HYPER_WIDTH))
        parts = 2 if with_mean else 1
        if spec.channels:
            self.analysis = nn.ModuleList(
                [conv3x3(spec.channels, HYPER_WIDTH), conv(HYPER_WIDTH, HYPER_WIDTH), conv(HYPER_WIDTH, HYPER_CHANNELS)]
            )
            self.synthesis = nn.ModuleList(
                [
                    deconv(HYPER_CHANNELS, HYPER_WIDTH),
                    deconv(HYPER_WIDTH, HYPER_WIDTH),
                    conv3x3(HYPER_WIDTH, parts * spec.channels),
                ]
            )
            self.bottlenecks = nn.ModuleList([EntropyBottleneck(HYPER_CHANNELS) for _ in range(spec.rates)])
        if spec.vector:
            self.vector_analysis = nn.ModuleList(
                [nn.Linear(spec.vector, HYPER_WIDTH), nn.Linear(HYPER_WIDTH, HYPER_VECTOR)]
            )
            self.vector_synthesis = nn.ModuleList(
                [nn.Linear(HYPER_VECTOR, HYPER_WIDTH), nn.Linear(HYPER_WIDTH, parts * spec.vector)]
            )
            self.vector_bottlenecks = nn.ModuleList([EntropyBottleneck(HYPER_VECTOR) for _ in range(spec.rates)])
        for name, parameter in self.named_parameters():
            # the quantiles serve the coder alone: they are searched after training (build_tables)
            parameter.requires_grad_(not name.endswith("quantiles"))

    def forward(self, features: Mapping[str, Tensor], rate: Tensor) -> CodedFeatures:
        y = self.scaled(features, rate)
        spatial, vector = self.split(y)
        hyper, hyper_vector = self.analyse(spatial, vector, rate)
        hyper, side = _bottleneck(getattr(self, "bottlenecks", None), hyper, rate)
        hyper_vector, vector_side = _bottleneck(getattr(self, "vector_bottlenecks", None), hyper_vector, rate)
        mean, scale = self.synthesise(hyper, hyper_vector, rate)
        z = quantize_ste(y - mean) + mean
        bits = self._bits(self._noisy(y, z), scale, mean)
        return CodedFeatures(self.decode(z, rate), bits + side + vector_side, side + vector_side)

    def split(self, y: Tensor) -> tuple[Tensor, Tensor]:
        """y [N, K] -> spatial [N, C, h, w], vector [N, K_v]."""
        size = self.spec.channels * self.spec.height * self.spec.width
        return y[:, :size].view(len(y), self.spec.channels, self.spec.height, self.spec.width), y[:, size:]

    def analyse(self, spatial: Tensor, vector: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """h_a: hyper-latents [N, M, h/4, w/4] and [N, M_v, 1, 1] before rounding; of a part that is not there, empty."""
        bias = at_rate(self.rate_bias, rate)
        hyper, hyper_vector = spatial.new_zeros(len(spatial), 0, 1, 1), vector.new_zeros(len(vector), 0, 1, 1)
        if self.spec.channels:
            # magnitudes alone tell the scale; with a mean to tell, signs count
            x = self.analysis[0](spatial if self.with_mean else spatial.abs()) + bias[:, :, None, None]
            hyper = self.analysis[2](torch.relu(self.analysis[1](torch.relu(x))))
        if self.spec.vector:
            x = torch.relu(self.vector_analysis[0](vector if self.with_mean else vector.abs()) + bias)
            hyper_vector = self.vector_analysis[1](x)[:, :, None, None]
        return hyper, hyper_vector

    def synthesise(self, hyper: Tensor, hyper_vector: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """h_s: mean and scale of every z_k [N, K]; the mean is zero without `with_mean`."""
        bias = at_rate(self.rate_bias, rate)
        outputs = []
        if self.spec.channels:
            x = torch.relu(self.synthesis[0](hyper) + bias[:, :, None, None])
            outputs.append(self.synthesis[2](torch.relu(self.synthesis[1](x))))
        if self.spec.vector:
            outputs.append(
                self.vector_synthesis[1](torch.relu(self.vector_synthesis[0](hyper_vector[:, :, 0, 0]) + bias))
            )
        halves = [output.chunk(2, 1) if self.with_mean else (torch.zeros_like(output), output) for output in outputs]
        mean, scale = (torch.cat([half[i].flatten(1) for half in halves], 1) for i in (0, 1))
        return mean, self.scale(scale * INDEX_UNIT + SCALE_INDEX_START)


def build_tables(codec: HyperpriorCodec) -> None:
    """Build CompressAI's CDF tables from the trained densities (their bounds, the quantiles, are searched, not trained)."""
    for bottleneck in codec.modules():
        if isinstance(bottleneck, EntropyBottleneck):
            bottleneck.update(force=True, update_quantiles=True)
    codec.gaussian.update()


def _bottleneck(bottlenecks: Any, hyper: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
    """Rounded (or noisy) hyper-latent and its bits [N], each frame by the bottleneck of its own rate."""
    values, bits = torch.zeros_like(hyper), hyper.new_zeros(len(hyper))
    if hyper.shape[1]:
        for r in rate.unique().tolist():
            chosen = rate == r
            part, likelihood = bottlenecks[int(r)](hyper[chosen])
            values = values.index_put((chosen,), part)
            bits = bits.index_put((chosen,), -likelihood.log2().sum((1, 2, 3)))
    return values, bits


def make_codec(scheme: str, spec: CodecSpec) -> TransformCodec:
    """A fresh codec of the named scheme."""
    if scheme == "scale":
        return HyperpriorCodec(spec, with_mean=False)
    kinds: dict[str, type[TransformCodec]] = {
        "control": ControlCodec,
        "codebook": GroupCodec,
        "linear": GroupCodec,
        "positions": PositionsCodec,
        "channels": ChannelsCodec,
        "context": ContextCodec,
        "hyperprior": HyperpriorCodec,
    }
    return kinds[scheme](spec)
