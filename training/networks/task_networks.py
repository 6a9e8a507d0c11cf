"""All task networks together, without any coding and with the codecs of their features.

    f8 --TaskNetworks--> h_t of every task --GroupCodec, one per group--> h^_t --TaskNetworks--> raw results

`CodedNetworks` is all that `taxon train` trains and `taxon export` writes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from efficientnet_lite_pytorch import EfficientNet
from torch import Tensor, nn

from shared.model.tasks import TASKS_OF_GROUP
from training.networks.backbone import Branch
from training.networks.codec import GroupCodec
from training.networks.codec_spec import SPECS
from training.networks.task import (
    DENSE_OUTPUTS,
    MOSAIC_CLASSES,
    NECK_CHANNELS,
    SCENE_CLASSES,
    SCENE_FEATURES,
    ClassHead,
    DenseHead,
    FeatureNet,
    Neck,
    ObjectFeature,
    SceneFeature,
    nearest_class_head,
)


class TaskNetworks(nn.Module):
    """f8 [N, 40, 32, 32] and pooled [N, 1280] -> features {task: h_t} -> raw results {task: tensor}."""

    def __init__(self, pretrained: EfficientNet) -> None:
        super().__init__()
        self.branch = Branch(pretrained)
        self.necks = nn.ModuleDict({group: Neck() for group in TASKS_OF_GROUP})
        self.feature_nets = nn.ModuleDict({task: FeatureNet() for task in DENSE_OUTPUTS})
        objects = ObjectFeature(pretrained._fc)
        self.feature_nets["class_scene"] = SceneFeature()
        self.feature_nets["class_object"] = objects
        self.heads = nn.ModuleDict({task: DenseHead(outputs) for task, outputs in DENSE_OUTPUTS.items()})
        self.heads["class_scene"] = ClassHead(SCENE_FEATURES, SCENE_CLASSES)
        self.heads["class_object"] = nearest_class_head(objects.points)
        self.mosaic = nn.Sequential(nn.Conv2d(NECK_CHANNELS, MOSAIC_CLASSES * 4, 1), nn.PixelShuffle(2))

    def group_features(
        self, group: str, f8: Tensor, f16: Tensor, f32: Tensor, pooled: Tensor
    ) -> tuple[dict[str, Tensor], Tensor]:
        """h_t of one group's tasks, and the group's neck (which the segmentation teacher's auxiliary loss reads)."""
        neck = self.necks[group](f8, f16, f32)
        features = {}
        for task in TASKS_OF_GROUP[group]:
            if task == "class_object":
                features[task] = self.feature_nets[task](pooled)
            elif task == "class_scene":
                features[task] = self.feature_nets[task](f32, neck)
            else:
                features[task] = self.feature_nets[task](neck)
        return features, neck

    def features(self, f8: Tensor, pooled: Tensor) -> dict[str, Tensor]:
        """h_t of every task."""
        f16, f32 = self.branch(f8)
        semantic, _ = self.group_features("semantic", f8, f16, f32, pooled)
        geometry, _ = self.group_features("geometry", f8, f16, f32, pooled)
        return semantic | geometry

    def results(self, features: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Raw results of the given features."""
        return {task: self.heads[task](feature) for task, feature in features.items()}


class CodedNetworks(nn.Module):
    """Task networks and one codec per group."""

    def __init__(self, tasks: TaskNetworks) -> None:
        super().__init__()
        self.tasks = tasks
        self.codecs = nn.ModuleDict({group: GroupCodec(SPECS[group]) for group in TASKS_OF_GROUP})

    def codec(self, group: str) -> GroupCodec:
        """The codec of `group`."""
        return cast(GroupCodec, self.codecs[group])
