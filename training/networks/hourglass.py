"""Taskonomy's published networks ("hourglasses", Zamir et al. 2018), loaded from the authors' PyTorch files under their own key names.

    picture --HourglassEncoder--> h_t [8, 16, 16] --HourglassDecoder--> [C, 256, 256] --published_result--> values
                                                  --HourglassClassDecoder--> logits

Source: PyPI's visualpriors 0.3.5 (taskonomy_network.py, transforms.py; MIT), itself a port of taskbank/lib/models/sample_models.py of
StanfordVL/taskonomy. Module names are theirs, so that the keys fit; the encoder's parameterless normalisation, which they switch off
wherever a decoder follows, is left out. File names carry the SHA-256 of the file: it is checked before anything is unpickled.
"""

from __future__ import annotations

import hashlib
import io
import math
import pickle
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Self, TypeVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from training.datasets.frame import DataError
from training.datasets.taskonomy.encodings import OBJECTS, SCENES, SEGMENTS, STEPS_PER_METRE

FEATURE_CHANNELS, FEATURE_SIDE = 8, 16
EXPANSION = 4
# The files are named as torch.hub names them: a dash and the first 8 or more hexadecimal digits (here all 64) before the suffix.
DIGEST = re.compile(r"-([0-9a-f]{8,64})\.pth$")
COUNTER = "num_batches_tracked"
# These are of the stored pixel values, red and green (taskbank/lib/data/load_ops.py, curvature_preprocess).
CURVATURE_MEAN, CURVATURE_DEVIATION = (123.572, 120.1), (31.922, 21.658)
ZERO_CURVATURE = 127.0
# The raw depth is log(1 + stored) / log(2^16) (taskbank/experiments/final/rgb2depth/config.py).
DEPTH_NORMALISER = math.log(2.0**16)

Network = TypeVar("Network", bound=nn.Module)


@dataclass(frozen=True)
class PublishedTask:
    """`stem` of the files (`stem`_encoder-DIGEST.pth, `stem`_decoder-DIGEST.pth); `outputs` channels or classes; the decoder's kind."""

    stem: str
    outputs: int
    dense: bool = True
    tanh: bool = True


PUBLISHED = {
    "class_scene": PublishedTask("class_scene", len(SCENES), dense=False),
    "class_object": PublishedTask("class_object", OBJECTS, dense=False),
    # The published segmentation goes without the tanh (alexsax/midlevel-reps issue 11).
    "segment_semantic": PublishedTask("segment_semantic", len(SEGMENTS), tanh=False),
    "normal": PublishedTask("normal", 3),
    "reshading": PublishedTask("reshading", 1),
    "principal_curvature": PublishedTask("curvature", 2),
    "depth": PublishedTask("depth_zbuffer", 1),
}


class Frozen(nn.Module):
    """A network whose batch statistics stay the published ones: `train()` leaves it in evaluation mode."""

    def train(self, mode: bool = True) -> Self:
        return super().train(False)


class Bottleneck(nn.Module):
    """ResNet's block [N, I, H, W] -> [N, 4 P, H/stride, W/stride]; the stride sits on the 3x3 convolution."""

    def __init__(self, inputs: int, planes: int, stride: int = 1) -> None:
        super().__init__()
        outputs = planes * EXPANSION
        self.conv1 = nn.Conv2d(inputs, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, outputs, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.downsample: nn.Module = nn.MaxPool2d(1, stride) if stride > 1 else nn.Identity()
        if inputs != outputs:
            self.downsample = nn.Sequential(nn.Conv2d(inputs, outputs, 1, stride, bias=False), nn.BatchNorm2d(outputs))

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + self.downsample(x))


class HourglassEncoder(Frozen):
    """Picture uint8 [N, H, W, 3] -> h_t float32 [N, 8, H/16, W/16], not negative. Pictures are scaled to -1..1, as published."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 64, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(64)
        self.maxpool = nn.MaxPool2d(3, 2, ceil_mode=True)
        self.layer1 = _layer(64, 64, 3, 2)
        self.layer2 = _layer(256, 128, 4, 2)
        self.layer3 = _layer(512, 256, 6, 1)
        self.layer4 = _layer(1024, 512, 3, 1)
        self.compress1 = nn.Conv2d(2048, FEATURE_CHANNELS, 3, 1, 1, bias=False)
        self.compress_bn = nn.BatchNorm2d(FEATURE_CHANNELS)
        self.eval().requires_grad_(False)

    def forward(self, image: Tensor) -> Tensor:
        x = image.permute(0, 3, 1, 2).float() / 127.5 - 1.0
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return F.relu(self.compress_bn(self.compress1(x)))


def _layer(inputs: int, planes: int, blocks: int, stride: int) -> nn.Sequential:
    """Bottlenecks of which the last, not the first, has the stride (TensorFlow's slim places it there)."""
    widths = [inputs] + [planes * EXPANSION] * (blocks - 1)
    strides = [1] * (blocks - 1) + [stride]
    return nn.Sequential(*[Bottleneck(width, planes, step) for width, step in zip(widths, strides)])


class Cut(nn.Module):
    """Drop the first row and column, which the padding before a transposed convolution adds."""

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, 1:, 1:]


class HourglassDecoder(Frozen):
    """h_t [N, 8, h, w] -> raw result [N, channels, 16 h, 16 w]: -1..1, or logits without the closing tanh."""

    def __init__(self, channels: int, tanh: bool = True) -> None:
        super().__init__()
        self.conv2 = _convolution(FEATURE_CHANNELS, 1024)
        self.conv3 = _convolution(1024, 1024)
        self.conv4 = _convolution(1024, 512)
        self.conv5 = _convolution(512, 256)
        self.conv6 = _convolution(256, 256)
        self.conv7 = _convolution(256, 128)
        self.deconv8 = _transposed(128, 64)
        self.conv9 = _convolution(64, 64)
        self.deconv10 = _transposed(64, 32)
        self.conv11 = _convolution(32, 32)
        self.deconv12 = _transposed(32, 16)
        self.conv13 = _convolution(16, 32)
        self.deconv14 = _transposed(32, 16)
        self.decoder_output = nn.Sequential(nn.Conv2d(16, channels, 3, 1, 1), nn.Tanh() if tanh else nn.Identity())
        self.eval().requires_grad_(False)

    def forward(self, feature: Tensor) -> Tensor:
        # The layers are registered in the order of computation.
        for layer in self.children():
            feature = layer(feature)
        return feature


def _convolution(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2))


def _transposed(inputs: int, outputs: int) -> nn.Sequential:
    """Twice the size, aligned as TensorFlow's padding SAME: one row and column of zeros goes in front, and their image off again."""
    return nn.Sequential(
        nn.ZeroPad2d((1, 0, 1, 0)), nn.ConvTranspose2d(inputs, outputs, 3, 2, 1, bias=False), Cut(),
        nn.BatchNorm2d(outputs), nn.LeakyReLU(0.2),
    )  # fmt: skip


class HourglassClassDecoder(Frozen):
    """h_t [N, 8, 16, 16] -> logits [N, classes]: one hidden layer over the feature, in TensorFlow's order of its numbers."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        numbers = FEATURE_CHANNELS * FEATURE_SIDE**2
        self.fc0 = nn.Linear(numbers, 2048, bias=False)
        self.bn0 = nn.BatchNorm1d(2048)
        self.fc2 = nn.Linear(2048, classes)
        self.eval().requires_grad_(False)

    def forward(self, feature: Tensor) -> Tensor:
        rows_columns_channels = feature.permute(0, 2, 3, 1).flatten(1)
        return self.fc2(F.relu(self.bn0(self.fc0(rows_columns_channels))))


def published_result(task: str, raw: Tensor) -> Tensor:
    """A decoder's raw result [N, C, h, w] -> the values of docs/targets.md, resolution kept; logits stay as they are.

    It inverts the preprocessing that each decoder was trained with.
    Law: a raw result that equals the preprocessed label gives the label (training/datasets/taskonomy/encodings.py reads it from its file).

    normal has unit vectors, x right, y up, z towards the camera. reshading is 0..1. principal_curvature has k1 >= k2 in -1..1,
    in units of 1 / (3 cm). depth is in metres, 0 to 128. The sources of the signs are named where the labels are read.
    """
    if task == "normal":
        x, y, z = raw.unbind(1)
        # What is seen faces the camera.
        z_is_towards_it = z.mean((1, 2), keepdim=True) > 0
        return F.normalize(torch.stack([x, -y, torch.where(z_is_towards_it, z, -z)], 1), dim=1)
    if task == "reshading":
        return ((raw + 1.0) / 2.0).clamp(0, 1)
    if task == "principal_curvature":
        mean, deviation = (raw.new_tensor(values)[:, None, None] for values in (CURVATURE_MEAN, CURVATURE_DEVIATION))
        scaled = ((raw * deviation + mean) / ZERO_CURVATURE - 1.0).clamp(-1, 1)
        return torch.cat([scaled.amax(1, True), scaled.amin(1, True)], 1)
    if task == "depth":
        return torch.expm1(raw.clamp(0, 1) * DEPTH_NORMALISER) / STEPS_PER_METRE
    return raw


def network_files(directory: Path, task: str) -> tuple[Path, Path]:
    """Return encoder's and decoder's file in a folder of published files. Raises DataError unless there is exactly one of each."""
    stem = PUBLISHED[task].stem
    return _weight_file(directory, f"{stem}_encoder"), _weight_file(directory, f"{stem}_decoder")


def load_task_decoder(path: Path, task: str) -> HourglassDecoder | HourglassClassDecoder:
    """Load a decoder of the task's kind and size."""
    published = PUBLISHED[task]
    if published.dense:
        return load_network(lambda: HourglassDecoder(published.outputs, published.tanh), path)
    return load_network(lambda: HourglassClassDecoder(published.outputs), path)


def load_encoder(path: Path) -> HourglassEncoder:
    """Load an encoder, the same for all tasks but for its numbers."""
    return load_network(HourglassEncoder, path)


def _weight_file(directory: Path, stem: str) -> Path:
    found = sorted(directory.glob(f"{stem}-*.pth"))
    if len(found) != 1:
        listed = ", ".join(path.name for path in found) or "none"
        raise DataError(
            f"{directory} needs exactly one file {stem}-DIGEST.pth, found {listed}; docs/taskonomy.md names the published ones"
        )
    return found[0]


def load_network(make: Callable[[], Network], path: Path) -> Network:
    """Return the network with the parameters of a published file.

    Raises DataError for a file that does not match the digest in its name, or does not hold these parameters.
    """
    parameters = _parameters(path)
    # The network gets no memory of its own: twenty million random numbers would be drawn to be thrown away.
    with torch.device("meta"):
        network = make()
    shapes = {name: list(value.shape) for name, value in network.state_dict().items()}
    # Files older than PyTorch's counter of batches, which nothing here reads, are whole without it.
    complete = {name: torch.tensor(0) for name in shapes if name.endswith(COUNTER)} | parameters
    for name in [*shapes, *parameters]:
        if name not in complete:
            raise DataError(f"{path} has no parameter {name}: it is another network's file")
        if name not in shapes:
            raise DataError(
                f"{path} has the parameter {name}, which this network does not: it is another network's file"
            )
        found = list(complete[name].shape)
        if found != shapes[name]:
            raise DataError(
                f"{path}: {name} has the shape {found} instead of {shapes[name]}: it is another network's file"
            )
    network.load_state_dict(complete, strict=True, assign=True)
    return network.float()


def _parameters(path: Path) -> dict[str, Tensor]:
    """The entry `state_dict` of a checkpoint, read from the very bytes whose digest was compared."""
    digest = DIGEST.search(path.name)
    if digest is None:
        raise DataError(
            f"{path.name} does not end in -DIGEST.pth: keep the published name, whose digest the file is checked by"
        )
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read: {error}") from error
    found = hashlib.sha256(content).hexdigest()
    if not found.startswith(digest[1]):
        raise DataError(
            f"{path} has the SHA-256 {found}, not the one in its name: it is damaged or not the published file, load it again"
        )
    try:
        checkpoint = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise DataError(f"{path} is no checkpoint of tensors alone, and nothing else is unpickled: {error}") from error
    parameters = checkpoint.get("state_dict") if isinstance(checkpoint, dict) else None
    if not isinstance(parameters, dict) or not all(isinstance(value, Tensor) for value in parameters.values()):
        raise DataError(f"{path} has no entry state_dict of tensors: it is no file of these networks")
    return parameters
