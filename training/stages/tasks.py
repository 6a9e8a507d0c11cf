"""First stage of training (paper 2.2): the task networks, before any coding.

    views (NYUv2, houses) --TaskNetworks--> results --task losses + the segmentation teacher's soft labels--> weights

The object class needs no training here: its feature is made from the frozen ImageNet network in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from training.data.batches import Batch, Share, stream
from training.loop import LoopSettings, train
from training.losses import WEIGHTS, dense_loss, scene_loss, soft_loss
from training.networks.backbone import pretrained_lite0
from training.networks.task import DENSE_OUTPUTS
from training.networks.task_networks import TaskNetworks


@dataclass(frozen=True, kw_only=True)
class TaskTraining(LoopSettings):
    """Settings of the first stage; the defaults made the released bundle."""

    steps: int = 2500
    weight_decay: float = 0.02
    seed: int = 20261122
    rooms_per_batch: int = 12
    houses_per_batch: int = 3
    learning_rate: float = 2e-3
    branch_learning_rate: float = 3e-4
    mosaic_weight: float = 0.4


def task_losses(results: dict[str, Tensor], batch: Batch) -> dict[str, Tensor]:
    """Loss of every task in `results` that has one here (the object class is distilled elsewhere)."""
    losses = {task: dense_loss(task, raw, batch) for task, raw in results.items() if task in DENSE_OUTPUTS}
    if "class_scene" in results:
        losses["class_scene"] = scene_loss(results["class_scene"], batch)
    return losses


def batch_losses(networks: TaskNetworks, batch: Batch) -> dict[str, Tensor]:
    """Losses by task, and `mosaic`, the segmentation teacher's; frames without dense labels skip the dense tasks' networks."""
    f16, f32 = networks.branch(batch.f8)
    neck = networks.necks["semantic"](batch.f8, f16, f32)
    dense = batch.has_segmentation & batch.has_geometry
    labelled = batch.selected(dense)
    geometry, _ = networks.group_features("geometry", labelled.f8, f16[dense], f32[dense], labelled.pooled)
    segmentation = networks.feature_nets["segment_semantic"](neck[dense])
    losses = task_losses(networks.results(geometry | {"segment_semantic": segmentation}), labelled)
    scene = networks.heads["class_scene"](networks.feature_nets["class_scene"](f32, neck))
    losses["class_scene"] = scene_loss(scene, batch)
    if bool(batch.has_mosaic.any()):
        losses["mosaic"] = soft_loss(networks.mosaic(neck[batch.has_mosaic]), batch.mosaic[batch.has_mosaic])
    return losses


def train_tasks(rooms: Share, houses: Share, settings: TaskTraining, work: Path, device: str) -> TaskNetworks:
    """Train (or resume) and return the averaged networks; the checkpoint is `work`/tasks.pt."""
    torch.manual_seed(settings.seed)
    networks = TaskNetworks(pretrained_lite0()).to(device).to(memory_format=torch.channels_last)
    others = [p for n, p in networks.named_parameters() if not n.startswith("branch.") and p.requires_grad]
    groups = [
        {"params": list(networks.branch.parameters()), "lr": settings.branch_learning_rate},
        {"params": others, "lr": settings.learning_rate},
    ]
    networks.train()
    weights = WEIGHTS | {"mosaic": settings.mosaic_weight}
    return train(
        networks,
        groups,
        lambda step, batch: batch_losses(networks, batch),
        weights.__getitem__,
        stream([rooms, houses], settings.seed),
        settings,
        work / "tasks.pt",
        device,
    )
