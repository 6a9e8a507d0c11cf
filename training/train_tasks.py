"""First stage of training (paper 2.2): the task networks, before any coding.

    views (NYUv2, houses) --TaskNetworks--> results --task losses + the segmentation teacher's soft labels--> weights

The object class needs no training here: its feature is made from the frozen ImageNet network in closed form.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from training import checkpoint
from training.batches import Batch, Share, batches
from training.losses import WEIGHTS, dense_loss, scene_loss, soft_loss
from training.networks.backbone import pretrained_lite0
from training.networks.rooms import TaskNetworks
from training.networks.task import DENSE_OUTPUTS

CHECKPOINT_EVERY_STEPS = 100


@dataclass(frozen=True)
class TaskTraining:
    """Settings of the first stage; the defaults made the released bundle."""

    steps: int = 1000
    rooms_per_batch: int = 12
    houses_per_batch: int = 3
    learning_rate: float = 2e-3
    branch_learning_rate: float = 3e-4
    weight_decay: float = 0.02
    warm_up_steps: int = 100
    average_decay: float = 0.995
    mosaic_weight: float = 0.4
    seed: int = 20261122


def learning_rate_factor(step: int, steps: int, warm_up: int) -> float:
    """Linear warm-up, then half a cosine down to 2 %."""
    if step < warm_up:
        return (step + 1) / warm_up
    return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * (step - warm_up) / max(1, steps - warm_up)))


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
    optimiser = torch.optim.AdamW(groups, weight_decay=settings.weight_decay)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimiser, lambda step: learning_rate_factor(step, settings.steps, settings.warm_up_steps)
    )
    average = checkpoint.MovingAverage(networks, settings.average_decay)
    first = 0
    path = work / "tasks.pt"
    if state := checkpoint.load(path, device):
        average.module.load_state_dict(state["average"])
        if state["step"] >= settings.steps:
            return average.module
        networks.load_state_dict(state["networks"])
        optimiser.load_state_dict(state["optimiser"])
        schedule.load_state_dict(state["schedule"])
        first = state["step"]
    networks.train()
    progress = tqdm(
        batches([rooms, houses], settings.seed, first, settings.steps),
        initial=first,
        total=settings.steps,
        desc="task networks",
    )
    weights = WEIGHTS | {"mosaic": settings.mosaic_weight}
    shown: dict[str, float] = {}
    for step, cpu_batch in progress:
        # dropout and noise depend on the step alone, so that a resumed run goes on as an uninterrupted one
        torch.manual_seed(settings.seed * 1_000_003 + step)
        batch = cpu_batch.to(device)
        losses = batch_losses(networks, batch)
        total = sum((weights[name] * loss for name, loss in losses.items()), torch.zeros((), device=device))
        optimiser.zero_grad(set_to_none=True)
        total.backward()
        torch.nn.utils.clip_grad_norm_(networks.parameters(), 5.0)
        optimiser.step()
        schedule.step()
        average.update(networks, step)
        for task, loss in losses.items():
            shown[task] = 0.95 * shown.get(task, loss.item()) + 0.05 * loss.item()
        if step % 20 == 0:
            progress.set_postfix({task[:6]: f"{value:.3f}" for task, value in shown.items()})
        if (step + 1) % CHECKPOINT_EVERY_STEPS == 0 or step + 1 == settings.steps:
            checkpoint.save(
                path,
                networks=networks.state_dict(),
                average=average.module.state_dict(),
                optimiser=optimiser.state_dict(),
                schedule=schedule.state_dict(),
                step=step + 1,
            )
    return average.module
