"""The task networks: features h_t from the backbone, and the decoders that turn h_t into results (paper 2.2, eq. 3).

f8, f16, f32 --Neck (one per group)--> [96, 16, 16] --FeatureNet_t--> h_t [8, 16, 16] --DenseHead_t--> result at 64x64 -> 256x256
                                 pooled ------------> h_scene [32] --ClassHead--> 10 logits
pooled [1280] (ImageNet branch) --ObjectFeature--> h_object [48] --ClassHead--> 1000 logits
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from shared.model.tasks import CLASS_TASKS, TASKS, task_named
from training.networks.backbone import F8_CHANNELS, F16_CHANNELS, F32_CHANNELS, POOLED_CHANNELS
from training.networks.layers import SeparableResidual, conv, upsample

NECK_CHANNELS = 96
MOSAIC_CLASSES = 32
DENSE_CHANNELS = 8
SCENE_FEATURES = 32
OBJECT_FEATURES = 48
OBJECT_SHARPNESS = 1.5
OBJECT_LOGIT_RANGE = 10.0
SCENE_CLASSES, OBJECT_CLASSES = (task_named(task).outputs for task in CLASS_TASKS)
DENSE_OUTPUTS = {task.name: task.outputs for task in TASKS if task.is_dense}
SEGMENT_CLASSES = DENSE_OUTPUTS["segment_semantic"]


class Neck(nn.Module):
    """Three scales into one: f8, f16, f32 -> [N, 96, H/16, W/16]."""

    def __init__(self) -> None:
        super().__init__()
        self.from_f8 = conv(F8_CHANNELS, NECK_CHANNELS, 3, 2)
        self.from_f16 = conv(F16_CHANNELS, NECK_CHANNELS, 1)
        self.from_f32 = nn.Sequential(conv(F32_CHANNELS, 2 * NECK_CHANNELS, 1), SeparableResidual(2 * NECK_CHANNELS, 1))
        self.up = upsample(2 * NECK_CHANNELS, NECK_CHANNELS)
        self.context = nn.Linear(2 * NECK_CHANNELS, NECK_CHANNELS)
        self.mix = nn.Sequential(conv(3 * NECK_CHANNELS, NECK_CHANNELS, 1), SeparableResidual(NECK_CHANNELS))

    def forward(self, f8: Tensor, f16: Tensor, f32: Tensor) -> Tensor:
        deep = self.from_f32(f32)
        x = self.mix(torch.cat([self.from_f8(f8), self.from_f16(f16), self.up(deep)], 1))
        return x + self.context(deep.mean((2, 3)))[:, :, None, None]


class FeatureNet(nn.Module):
    """Neck output -> h_t [N, 8, H/16, W/16] of one dense task."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            SeparableResidual(NECK_CHANNELS),
            nn.Conv2d(NECK_CHANNELS, DENSE_CHANNELS, 1),
            nn.BatchNorm2d(DENSE_CHANNELS, affine=False),
        )

    def forward(self, neck: Tensor) -> Tensor:
        return self.layers(neck)


class DenseHead(nn.Module):
    """h_t [N, 8, 16, 16] -> raw result [N, outputs, 64, 64]; `dense_result` turns it into the task's values."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            conv(DENSE_CHANNELS, 96), SeparableResidual(96), SeparableResidual(96),
            upsample(96, 48), SeparableResidual(48), upsample(48, 32), SeparableResidual(32, 1), nn.Conv2d(32, outputs, 1),
        )  # fmt: skip

    def forward(self, feature: Tensor) -> Tensor:
        return self.layers(feature)


def dense_result(task: str, raw: Tensor) -> Tensor:
    """Raw output [N, C, h, w] -> the task's values, resolution kept: logits, unit normals, shading 0..1, k1 >= k2 in -1..1."""
    if task == "normal":
        return F.normalize(raw, dim=1)
    if task == "reshading":
        return torch.sigmoid(raw)
    if task == "principal_curvature":
        mean, half = torch.tanh(raw[:, :1]), F.softplus(raw[:, 1:])
        return torch.cat([mean + half, mean - half], 1).clamp(-1, 1)
    return raw


class SceneFeature(nn.Module):
    """f32 and the semantic neck -> h_scene [N, 32]."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = nn.Linear(F32_CHANNELS + NECK_CHANNELS, 128)
        self.dropout = nn.Dropout(0.3)
        self.feature = nn.Linear(128, SCENE_FEATURES)
        self.normalise = nn.BatchNorm1d(SCENE_FEATURES, affine=False)

    def forward(self, f32: Tensor, neck: Tensor) -> Tensor:
        pooled = torch.cat([f32.mean((2, 3)), neck.mean((2, 3))], 1)
        return self.normalise(self.feature(torch.relu(self.hidden(self.dropout(pooled)))))


class ObjectFeature(nn.Module):
    """Pooled ImageNet feature [N, 1280] -> h_object [N, 48]: where the frozen network's (sharpened) posterior lies among the classes.

    h = sum_k p_k E_k with a point E_k for each class, all of one length: the left singular vectors of the classifier's weights, so that
    classes which the network finds alike lie close together. A sure answer is a point E_k, which survives coarse steps; an
    unsure one lies between its candidates. Nothing is learned from pictures, so that classes without training photos code as well.
    """

    points: Tensor

    def __init__(self, classifier: nn.Linear) -> None:
        super().__init__()
        self.classifier = nn.Linear(POOLED_CHANNELS, OBJECT_CLASSES)
        self.classifier.load_state_dict(classifier.state_dict())
        self.classifier.requires_grad_(False)
        self.register_buffer("points", class_points(classifier))

    def forward(self, pooled: Tensor) -> Tensor:
        return (OBJECT_SHARPNESS * self.classifier(pooled)).softmax(1) @ self.points


def class_points(classifier: nn.Linear) -> Tensor:
    """E [1000, 48], every row of length sqrt(48)."""
    weight = classifier.weight.detach().double()
    left, _, _ = torch.linalg.svd(weight - weight.mean(0), full_matrices=False)
    return (F.normalize(left[:, :OBJECT_FEATURES], dim=1) * OBJECT_FEATURES**0.5).float()


class ClassHead(nn.Module):
    """h_t vector -> logits."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__()
        self.classifier = nn.Linear(features, classes)

    def forward(self, feature: Tensor) -> Tensor:
        return self.classifier(feature)


def nearest_class_head(points: Tensor) -> ClassHead:
    """The decoder of ObjectFeature: logits grow with h . E_k, which for points of one length falls with the distance."""
    head = ClassHead(OBJECT_FEATURES, OBJECT_CLASSES)
    with torch.no_grad():
        head.classifier.weight.copy_(points * (OBJECT_LOGIT_RANGE / OBJECT_FEATURES))
        head.classifier.bias.zero_()
    return head.requires_grad_(False)
