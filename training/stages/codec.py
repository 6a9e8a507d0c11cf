"""Second and third stage of training: the codec on fixed task networks (paper 3.2, eq. 8), then everything jointly.

    views --TaskNetworks (fixed, or fine-tuned with `joint`)--> h_t --GroupCodec--> h^_t --heads--> results
    L = beta_r * bits + sum_t lambda_t L_t, a random operating point r for every frame

Frames without labels learn from the uncompressed network's own results.
The object class learns from the ImageNet teacher's.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from shared.model.tasks import TASKS_OF_GROUP
from training.data.batches import Batch, Share, stream
from training.loop import STEP_SEEDS, LoopSettings, train
from training.losses import WEIGHTS, soft_loss
from training.networks.backbone import ImageNetBranch, pretrained_lite0
from training.networks.codec_spec import SPECS
from training.networks.task import dense_result
from training.networks.task_networks import CodedNetworks, TaskNetworks
from training.stages.tasks import task_losses

# The price of a bit in units of the summed task losses, for operating points from the fewest bits to the most.
BETAS = {"semantic": (1.6e-3, 7e-4, 3e-4, 1.2e-4), "geometry": (7e-4, 3e-4, 1.3e-4, 5e-5)}
MIMIC_WEIGHT = 0.5
# The features of so many batches set the linear paths of the transforms.
START_BATCHES = 16
# The few quantisation steps are trained in the logarithm and may have far to go.
STEP_PARAMETERS = ("log_gain", "log_inverse_gain", "log_side_gain", "side_scale")
STEP_LEARNING_RATE_FACTOR = 5.0


@dataclass(frozen=True, kw_only=True)
class CodecTraining(LoopSettings):
    """Settings of the second (`joint` False) and third stage; the defaults made the released bundle indoor/2."""

    steps: int = 2400
    weight_decay: float = 1e-4
    seed: int = 20261123
    joint: bool = False
    rooms_per_batch: int = 10
    houses_per_batch: int = 3
    photos_per_batch: int = 6
    learning_rate: float = 1.5e-3
    task_learning_rate: float = 3e-4


class UncodedNetworks(nn.Module):
    """The uncompressed networks and the ImageNet classifier, from which unlabelled frames learn."""

    def __init__(self, tasks: TaskNetworks) -> None:
        super().__init__()
        self.tasks = copy.deepcopy(tasks).eval().requires_grad_(False)
        self.classifier = ImageNetBranch(pretrained_lite0()).classifier.requires_grad_(False)


def codec_losses(
    networks: CodedNetworks, reference: UncodedNetworks, batch: Batch, rates: dict[str, Tensor], joint: bool
) -> dict[str, Tensor]:
    """Losses by name: `bits <group>` (already priced), a task's own, and `mimic <task>`.

    Photos of single objects show no room. They go through the semantic group only, and only their object class is judged.
    """
    is_room = batch.object_class < 0
    rooms = batch.selected(is_room)
    with torch.no_grad():
        originals = _features(reference.tasks, "semantic", batch) | _features(reference.tasks, "geometry", rooms)
        of_rooms = {
            task: feature if task in TASKS_OF_GROUP["geometry"] else feature[is_room]
            for task, feature in originals.items()
        }
        wanted = reference.tasks.results(
            {task: feature for task, feature in of_rooms.items() if task != "class_object"}
        )
    losses: dict[str, Tensor] = {}
    coded: dict[str, Tensor] = {}
    for group, codec in networks.codecs.items():
        part, chosen = (batch, torch.ones_like(is_room)) if group == "semantic" else (rooms, is_room)
        features = (
            _features(networks.tasks, group, part)
            if joint
            else {task: originals[task] for task in TASKS_OF_GROUP[group]}
        )
        result = codec(features, rates[group][chosen])
        prices = torch.tensor(BETAS[group], device=batch.f8.device)[rates[group][chosen]]
        losses[f"bits {group}"] = (prices * result.bits).mean()
        coded |= result.features
    objects = networks.tasks.heads["class_object"](coded.pop("class_object"))
    losses["class_object"] = _object_loss(objects, reference.classifier(batch.pooled), batch)
    for task in ("class_scene", "segment_semantic"):
        coded[task] = coded[task][is_room]
    results = networks.tasks.results(coded)
    return (
        losses
        | task_losses(results, rooms)
        | {f"mimic {task}": _distance(task, raw, wanted[task]) for task, raw in results.items()}
    )


def _features(tasks: TaskNetworks, group: str, batch: Batch) -> dict[str, Tensor]:
    return tasks.group_features(group, batch.f8, batch.f16, batch.f32, batch.pooled)[0]


def _object_loss(logits: Tensor, uncompressed: Tensor, batch: Batch) -> Tensor:
    """Distil from the uncompressed ImageNet network; where the stronger teacher has spoken, half comes from it."""
    target = uncompressed.softmax(1)
    return soft_loss(
        logits, torch.where(batch.has_teacher[:, None], 0.5 * target + 0.5 * batch.teacher.softmax(1), target)
    )


def _distance(task: str, raw: Tensor, wanted: Tensor) -> Tensor:
    """Return the distance of a result from the uncompressed network's."""
    if task in ("class_scene", "segment_semantic"):
        return soft_loss(raw, wanted.softmax(1))
    return (dense_result(task, raw) - dense_result(task, wanted)).abs().mean()


def weight_of(loss: str) -> float:
    """Weight of a loss in the sum."""
    if loss.startswith("bits "):
        return 1.0
    return MIMIC_WEIGHT * WEIGHTS[loss.removeprefix("mimic ")] if loss.startswith("mimic ") else WEIGHTS[loss]


def parameter_groups(networks: CodedNetworks, settings: CodecTraining) -> list[dict[str, Any]]:
    """Return what this stage trains: the codecs, and with `joint` the task networks except the backbone and the object head."""
    # A stage starts from the averaged weights of the one before, which do not require gradients.
    networks.codecs.requires_grad_(True)
    networks.tasks.requires_grad_(settings.joint)
    networks.tasks.branch.requires_grad_(False)
    networks.tasks.mosaic.requires_grad_(False)
    networks.tasks.feature_nets["class_object"].requires_grad_(False)
    networks.tasks.heads["class_object"].requires_grad_(False)
    steps = [p for n, p in networks.codecs.named_parameters() if n.endswith(STEP_PARAMETERS)]
    others = [p for n, p in networks.codecs.named_parameters() if not n.endswith(STEP_PARAMETERS)]
    groups: list[dict[str, Any]] = [
        {"params": others, "lr": settings.learning_rate},
        {"params": steps, "lr": settings.learning_rate * STEP_LEARNING_RATE_FACTOR, "weight_decay": 0.0},
    ]
    if settings.joint:
        groups.append(
            {"params": [p for p in networks.tasks.parameters() if p.requires_grad], "lr": settings.task_learning_rate}
        )
    return groups


def random_rates(step: int, seed: int, count: int, device: str) -> dict[str, Tensor]:
    """An operating point for every frame and group; depends on seed and step alone."""
    generator = torch.Generator().manual_seed(seed * STEP_SEEDS + step)
    return {
        group: torch.randint(0, spec.rates, (count,), generator=generator).to(device) for group, spec in SPECS.items()
    }


def fresh_networks(tasks: TaskNetworks, batches: Iterable[Batch]) -> CodedNetworks:
    """Untrained codecs around `tasks`, their linear paths set from the rooms of `batches`."""
    networks = CodedNetworks(copy.deepcopy(tasks).eval())
    rooms = [batch.selected(batch.object_class < 0) for batch in batches]
    with torch.no_grad():
        for group in TASKS_OF_GROUP:
            parts = [_features(networks.tasks, group, part) for part in rooms]
            networks.codec(group).initialise(
                {task: torch.cat([part[task] for part in parts]) for task in TASKS_OF_GROUP[group]}
            )
    return networks


def train_codec(
    tasks: TaskNetworks,
    start: CodedNetworks | None,
    shares: list[Share],
    settings: CodecTraining,
    work: Path,
    device: str,
) -> CodedNetworks:
    """Train (or resume) one stage and return the averaged networks; the checkpoint is `work`/codec.pt or joint.pt."""
    torch.manual_seed(settings.seed)
    batches = stream(shares, settings.seed)
    if start is None:
        start = fresh_networks(tasks, (batch for _, batch in batches(0, START_BATCHES)))
    networks = copy.deepcopy(start)
    networks = networks.to(device).to(memory_format=torch.channels_last)
    reference = UncodedNetworks(tasks).to(device).to(memory_format=torch.channels_last)
    parameters = parameter_groups(networks, settings)
    networks.train()
    # The task networks stay in evaluation mode even when they are fine-tuned: their batch statistics are those of rooms,
    # and these batches hold photos too.
    networks.tasks.eval()

    def losses_of(step: int, batch: Batch) -> dict[str, Tensor]:
        rates = random_rates(step, settings.seed, len(batch.f8), device)
        return codec_losses(networks, reference, batch, rates, settings.joint)

    path = work / ("joint.pt" if settings.joint else "codec.pt")
    return train(networks, parameters, losses_of, weight_of, batches, settings, path, device)
