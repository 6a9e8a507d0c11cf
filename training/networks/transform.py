"""The transform of one task group: features h_t to the latent y and back (paper 3.1 and 3.2).

h_t --f_perc_t--+                                     +--split_t--> h^_t
                +--concat--> E --> y  ...  y^ --> D --+
h_t (vectors) --linear----------->             `--linear----------> h^_t (vectors)
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.networks.codec_spec import CodecSpec
from training.networks.layers import SeparableResidual, at_rate, conv, upsample
from training.networks.task import DENSE_CHANNELS, OBJECT_FEATURES, SCENE_FEATURES

PERIPHERAL_CHANNELS = 32
WIDTH = 128


@torch.no_grad()
def set_to_principal_components(analysis: nn.Conv2d, synthesis: nn.ConvTranspose2d, features: Tensor) -> None:
    """Start both linear paths as the principal components of the 2x2 blocks of features [N, 8 T, 16, 16]; both are trained from there.

    Orthonormal, so that a quantisation step is the same error in every channel.
    """
    blocks = F.pixel_unshuffle(features, 2).permute(0, 2, 3, 1).flatten(0, 2).double()
    mean = blocks.mean(0)
    _, vectors = torch.linalg.eigh(torch.cov((blocks - mean).T))
    basis = vectors.flip(1)[:, : analysis.out_channels]
    kernel = basis.T.float().view(-1, features.shape[1], 2, 2)
    for layer in (analysis, synthesis):
        layer.weight.copy_(kernel)
    assert analysis.bias is not None
    assert synthesis.bias is not None
    analysis.bias.copy_(-(basis.T @ mean))
    # The bias is one number a channel: a block's four places have the same mean.
    synthesis.bias.copy_(mean.view(-1, 4).mean(1))


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
        self.linear: nn.Conv2d | None = None
        if spec.linear and spec.channels:
            # h [N, 8 T, 16, 16] -> y [N, C, 8, 8] beside E: with it, E need not learn to let everything through
            self.linear = nn.Conv2d(DENSE_CHANNELS * len(spec.dense_tasks), spec.channels, 2, 2)
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
                spatial = spatial + self.linear(torch.cat([features[task] for task in spec.dense_tasks], 1))
        else:
            spatial = vectors[0].new_zeros(vectors[0].shape[0], 0, spec.height, spec.width)
        return spatial, torch.cat(vectors, 1) if vectors else spatial.flatten(1)[:, :0]


class GroupDecoder(nn.Module):
    """Dequantised latents -> h^_t (D and the splitting convolutions)."""

    def __init__(self, spec: CodecSpec) -> None:
        super().__init__()
        self.spec = spec
        self.linear: nn.ConvTranspose2d | None = None
        if spec.linear and spec.channels:
            # the way back, beside D: y [N, C, 8, 8] -> h^ [N, 8 T, 16, 16]
            self.linear = nn.ConvTranspose2d(spec.channels, DENSE_CHANNELS * len(spec.dense_tasks), 2, 2)
        self.rate_bias = nn.Parameter(torch.zeros(spec.rates, WIDTH))
        if spec.channels:
            self.inlet = nn.Conv2d(spec.channels, WIDTH, 1)
            self.deep = nn.Sequential(SeparableResidual(WIDTH), SeparableResidual(WIDTH))
            self.shallow = nn.Sequential(upsample(WIDTH, 96), SeparableResidual(96))
        self.split = nn.ModuleDict()
        for task in spec.dense_tasks:
            self.split[task] = split = nn.Sequential(SeparableResidual(96, 1), nn.Conv2d(96, DENSE_CHANNELS, 1))
            if self.linear is not None:
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
            parts = self.linear(spatial).split(DENSE_CHANNELS, 1)
            features = {task: features[task] + part for task, part in zip(self.spec.dense_tasks, parts, strict=True)}
        scene, objects = vector.split([self.spec.vector_scene, self.spec.vector_object], 1)
        if self.spec.vector_scene:
            features["class_scene"] = self.scene(torch.cat([scene, deep.mean((2, 3))], 1))
        if self.spec.vector_object:
            features["class_object"] = self.object(objects)
        return features

    def maps(self, spatial: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
        """Return the maps that all tasks share: [N, 128, h, w] and [N, 96, 2h, 2w]."""
        bias = at_rate(self.rate_bias, rate)[:, :, None, None]
        if not self.spec.channels:
            # Without a spatial latent, all that they share is the bias of the rate.
            return bias, bias[:, :0]
        deep = self.deep(self.inlet(spatial) + bias)
        return deep, self.shallow(deep)


def _start_at_zero(layer: nn.Module) -> None:
    """Set the last layer beside a linear path to zero, so that training begins from the linear path alone."""
    assert isinstance(layer, nn.Conv2d)
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
