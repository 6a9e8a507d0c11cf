"""The experiments' suite on NYU Depth v2: our task networks (`taxon train --stage tasks`), their features and labels.

    work/views, uncompressed.pt --> fit: 6 views of each of 700 frames, labels at 128x128; 3 of each house photo (scene alone)
    NYUv2 frames ----------------> validation (95 frames of train, held out), test (327): labels at 256x256

The object class of a room frame is what the teacher (EfficientNet-Lite2) sees in it, as Taskonomy's own labels were made. Depth and
40-class segmentation are unseen tasks: no codec is trained for them. Their original networks are trained here, on the necks.
So is a second network for the scene, whose feature has spatial dimensions.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor, nn
from torch.fx.experimental.optimization import fuse
from torch.nn import functional as F
from tqdm import tqdm

from experiments.suites.suite import COMPLETE, FeatureBatch, FeatureSet, FeatureWriter, Suite
from experiments.suites.tasks import ExperimentTask, Kind, task_loss
from shared.model.tasks import SEGMENTATION_BACKGROUND, TASKS_OF_GROUP, Group, Task
from shared.model.tasks import TASKS as SIX_TASKS
from training.data.batches import read_ahead
from training.data.sources import SOURCE_HEIGHT, SOURCE_WIDTH
from training.data.views import (
    INPUT_PX,
    KNOWN_GEOMETRY,
    KNOWN_TEACHER,
    LABEL_PX,
    WHOLE,
    Augmentation,
    ViewSet,
    augmented_segmentation,
    prepare_branch,
    random_augmentation,
)
from training.datasets.frame import IGNORE, DataError
from training.datasets.nyuv2 import Nyuv2
from training.loop import LoopSettings, train
from training.losses import WEIGHTS
from training.networks.backbone import ImageNetBranch, ImageNetTeacher, Trunk, pretrained_lite0, pretrained_lite2
from training.networks.layers import conv
from training.networks.task import (
    DENSE_CHANNELS,
    DENSE_OUTPUTS,
    OBJECT_FEATURES,
    SCENE_CLASSES,
    SCENE_FEATURES,
    DenseHead,
    FeatureNet,
)
from training.networks.task_networks import TaskNetworks
from training.stages.pipeline import VIEWS_EACH, VIEWS_SEED, open_views

BATCH = 20
DEPTH_METRES = (0.0, 10.0)
# one table of prices serves every task and group: with the weights of training.losses alone, geometry would never come to its plateau
GEOMETRY_FACTOR = 4.0
NECK_OF = {"depth": "geometry", "segment_40": "semantic", "class_scene_spatial": "semantic"}
LABEL_OF = {"class_scene_spatial": "class_scene"}
VECTORS = {"class_scene": SCENE_FEATURES, "class_object": OBJECT_FEATURES}

KINDS: dict[str, tuple[Kind, bool]] = {
    "top1": ("class", True),
    "miou": ("segmentation", True),
    "mean_angular_error_degrees": ("normal", False),
    "l1": ("values", False),
}
"""The kind of the tasks that a figure judges, and True where more of it is better."""


def _experiment_task(task: Task) -> ExperimentTask:
    figure = task.metrics[0]
    kind, higher_is_better = KINDS[figure]
    return ExperimentTask(
        task.name,
        kind,
        task.outputs,
        WEIGHTS[task.name] * (GEOMETRY_FACTOR if task.group is Group.GEOMETRY else 1.0),
        figure,
        higher_is_better,
        task.value_range or (0.0, 1.0),
        SEGMENTATION_BACKGROUND if kind == "segmentation" else (),
    )


TASKS = {
    task.name: task
    for task in (
        *(_experiment_task(task) for task in SIX_TASKS),
        ExperimentTask("depth", "values", 1, 0.5, "l1", False, DEPTH_METRES, seen=False, values_of=F.softplus),
        ExperimentTask("segment_40", "segmentation", 40, 1.0, "miou", True, seen=False),
        # the scene class again, from a feature with spatial dimensions
        ExperimentTask("class_scene_spatial", "class", SCENE_CLASSES, WEIGHTS["class_scene"], "top1", True, seen=False),
    )
}


@dataclass(frozen=True, kw_only=True)
class UnseenTraining(LoopSettings):
    """Settings of the original networks of depth and 40-class segmentation."""

    steps: int = 600
    weight_decay: float = 0.02
    seed: int = 20261125
    batch: int = 12
    learning_rate: float = 2e-3


class SpatialClassHead(nn.Module):
    """h_t [N, 8, 16, 16] -> logits [N, classes]."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(conv(DENSE_CHANNELS, 64), conv(64, 64, 3, 2))
        self.classifier = nn.Linear(64, classes)

    def forward(self, feature: Tensor) -> Tensor:
        return self.classifier(self.layers(feature).mean((2, 3)))


class OriginalNetworks(nn.Module):
    """Picture uint8 [N, 256, 256, 3] -> features h_t, necks, and raw results of every task: nothing is coded."""

    def __init__(self, tasks: TaskNetworks) -> None:
        super().__init__()
        pretrained = pretrained_lite0()
        self.trunk, self.imagenet = Trunk(pretrained), ImageNetBranch(pretrained)
        self.tasks = tasks
        self.unseen_features = nn.ModuleDict({task: FeatureNet() for task in NECK_OF})
        heads = {task: DenseHead if TASKS[task].kind != "class" else SpatialClassHead for task in NECK_OF}
        self.unseen_heads = nn.ModuleDict({task: head(TASKS[task].outputs) for task, head in heads.items()})

    def of_trunk(self, f8: Tensor, f16: Tensor, f32: Tensor, pooled: Tensor) -> dict[str, Tensor]:
        """Trunk's and branch's features -> {task: h_t} of the seen tasks and {"neck <group>": [N, 96, 16, 16]}."""
        found: dict[str, Tensor] = {}
        for group in TASKS_OF_GROUP:
            features, neck = self.tasks.group_features(group, f8, f16, f32, pooled)
            found |= features | {f"neck {group}": neck}
        return found

    def features(self, pictures: Tensor) -> dict[str, Tensor]:
        """The same of pictures."""
        f8 = self.trunk(pictures)
        f16, f32 = self.tasks.branch(f8)
        return self.of_trunk(f8, f16, f32, self.imagenet(f8))

    def results(self, pictures: Tensor) -> dict[str, Tensor]:
        """Raw results of all tasks, unseen ones included."""
        features = self.features(pictures)
        found = {task: self.tasks.heads[task](features[task]) for tasks in TASKS_OF_GROUP.values() for task in tasks}
        for task, group in NECK_OF.items():
            found[task] = self.unseen_heads[task](self.unseen_features[task](features[f"neck {group}"]))
        return found


@dataclass(frozen=True)
class OpenNyuv2:
    """Opens the suite, writing features and, `with_unseen`, training the unseen tasks' original networks where they are missing.

    Raises DataError where the work folder has no trained task networks (`taxon train --stage tasks`).
    """

    data: Path
    work: Path
    device: str
    with_unseen: bool

    def __call__(self) -> Suite:
        weights = self.work / "uncompressed.pt"
        if not weights.exists():
            raise DataError(
                f"{self.work} has no trained task networks: run taxon train --stage tasks --work {self.work} first"
            )
        digest = hashlib.sha256(weights.read_bytes()).hexdigest()
        tasks = TaskNetworks(pretrained_lite0())
        tasks.load_state_dict(torch.load(weights, map_location="cpu", weights_only=True))
        originals = OriginalNetworks(tasks).eval().requires_grad_(False).to(self.device)
        originals = originals.to(memory_format=torch.channels_last)
        folder = self.work / "experiments" / f"nyuv2-{digest[:12]}"
        sets = {"fit": _fit_features(self.data, self.work, folder / "fit", originals, digest, self.device)}
        for split in ("validation", "test"):
            sets[split] = _frame_features(self.data, folder / split, split, originals, self.device)
        heads = dict(tasks.heads.items())
        if self.with_unseen:
            _train_unseen(originals, sets["fit"], folder, UnseenTraining(), self.device)
            heads |= dict(originals.unseen_heads.items())
            sets = {
                split: frames.with_arrays_of(
                    _unseen_features(folder / f"{split}-unseen", frames, originals, self.device)
                )
                for split, frames in sets.items()
            }
        fused = nn.ModuleDict({name: fuse(head.eval()) for name, head in heads.items()})
        return Suite(
            "nyuv2", folder, TASKS, TASKS_OF_GROUP, VECTORS, fused.requires_grad_(False).to(self.device),
            sets["fit"], sets["validation"], sets["test"],
            partial(_analyse, originals, self.device), partial(_pictures, self.data), digest,
        )  # fmt: skip


@torch.inference_mode()
def _analyse(originals: OriginalNetworks, device: str, pictures: npt.NDArray[np.uint8]) -> dict[str, Tensor]:
    return originals.results(torch.from_numpy(np.ascontiguousarray(pictures)).to(device))


def _pictures(data: Path, split: str) -> Sequence[npt.NDArray[np.uint8]]:
    frames = Nyuv2(data / "nyuv2", split)
    size = (INPUT_PX, INPUT_PX)
    return [np.asarray(frames.picture(i).resize(size, Image.Resampling.BILINEAR)) for i in range(len(frames))]


@torch.inference_mode()
def _fit_features(
    data: Path, work: Path, folder: Path, originals: OriginalNetworks, digest: str, device: str
) -> FeatureSet:
    if (folder / COMPLETE).exists():
        return FeatureSet(folder)
    views = open_views(data, work, device)
    rooms, houses = (
        prepare_branch(part, originals.tasks.branch, digest, device) for part in (views.rooms, views.houses)
    )
    parts = [(rooms, views.fit_rooms[i : i + BATCH]) for i in range(0, len(views.fit_rooms), BATCH)]
    parts += [(houses, np.arange(i, min(i + BATCH, len(houses)))) for i in range(0, len(houses), BATCH)]
    writer = FeatureWriter(folder, len(views.fit_rooms) + len(houses))
    frames = Nyuv2(data / "nyuv2", "train")
    size = (LABEL_PX, LABEL_PX)
    unknown = np.full(size, np.nan, np.float32), np.full(size, IGNORE, np.uint8)
    first = 0
    for part, at in tqdm(parts, desc="features of fit"):
        trunk = [
            torch.from_numpy(np.asarray(part[name][at])).to(device).float() for name in ("f8", "f16", "f32", "pooled")
        ]
        features = originals.of_trunk(*trunk)
        _put_features(writer, first, features)
        for task in DENSE_OUTPUTS:
            writer.put(f"raw_{task}", first, originals.tasks.heads[task](features[task]).cpu().numpy())
        for name, values in _view_labels(part, at).items():
            writer.put(f"label_{name}", first, values)
        for offset, index in enumerate(at):
            depth, segmentation = _unseen_labels(frames, rooms, int(index)) if part is rooms else unknown
            writer.put("label_depth", first + offset, depth[None, None])
            writer.put("label_segment_40", first + offset, segmentation[None])
        first += len(at)
    return writer.finish()


def _view_labels(views: ViewSet, at: npt.NDArray[np.int64]) -> dict[str, npt.NDArray[Any]]:
    known = views["known"][at].astype(bool)
    geometry = views["geometry"][at].astype(np.float32) / 127.0
    geometry[~known[:, KNOWN_GEOMETRY]] = np.nan
    teacher = np.where(known[:, KNOWN_TEACHER], views["teacher"][at].argmax(1), -1)
    return {
        "class_scene": views["scene"][at],
        "class_object": teacher.astype(np.int16),
        "segment_semantic": views["segmentation"][at],
        "normal": geometry[:, :3],
        "reshading": geometry[:, 3:4],
        "principal_curvature": geometry[:, 4:6],
    }


def _unseen_labels(frames: Nyuv2, rooms: ViewSet, index: int) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.uint8]]:
    """Depth and 40-class labels [128, 128] of one view: the view's own crop and mirror image again, from the same random numbers.

    A crop shown at full size looks nearer by its zoom, so its depth is told as if the camera had come closer.
    """
    position = int(rooms["source"][index])
    change = _change(position, index - position * VIEWS_EACH["nyuv2"])
    size = (SOURCE_WIDTH, SOURCE_HEIGHT)
    segmentation = frames.segmentation40(position).resize(size, Image.Resampling.NEAREST)
    depth = Image.fromarray(frames.depth_metres(position).astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
    left, top, right, bottom = change.box
    zoom = ((right - left) * (bottom - top) / (SOURCE_WIDTH * SOURCE_HEIGHT)) ** 0.5
    values = np.asarray(depth.resize((LABEL_PX, LABEL_PX), Image.Resampling.BILINEAR, box=change.box)) * np.float32(
        zoom
    )
    return (
        values[:, ::-1] if change.flip else values,
        augmented_segmentation(np.asarray(segmentation), change),
    )


def _change(position: int, offset: int) -> Augmentation:
    """Return the augmentation that training.data.views.prepare_views drew for view `offset` of the source at `position`."""
    rng = np.random.default_rng([VIEWS_SEED, position])
    return [WHOLE, *(random_augmentation(rng) for _ in range(VIEWS_EACH["nyuv2"] - 1))][offset]


@torch.inference_mode()
def _frame_features(data: Path, folder: Path, split: str, originals: OriginalNetworks, device: str) -> FeatureSet:
    if (folder / COMPLETE).exists():
        return FeatureSet(folder)
    frames = Nyuv2(data / "nyuv2", split)
    teacher = ImageNetTeacher(pretrained_lite2()).eval().to(device)
    writer = FeatureWriter(folder, len(frames))
    size = (INPUT_PX, INPUT_PX)
    for i in tqdm(range(len(frames)), desc=f"features of {split}"):
        frame = frames[i]
        picture = torch.from_numpy(frame.image.copy())[None].to(device)
        _put_features(writer, i, originals.features(picture))
        depth = Image.fromarray(frames.depth_metres(i).astype(np.float32)).resize(size, Image.Resampling.BILINEAR)
        segmentation = frames.segmentation40(i).resize(size, Image.Resampling.NEAREST)
        labels = {
            "class_scene": np.array(frame.class_scene, np.int16),
            "class_object": teacher(picture).argmax(1)[0].cpu().numpy().astype(np.int16),
            "segment_semantic": frame.segment_semantic,
            "normal": frame.normal,
            "reshading": frame.reshading,
            "principal_curvature": frame.principal_curvature,
            "depth": np.asarray(depth)[None],
            "segment_40": np.asarray(segmentation),
        }
        for task, values in labels.items():
            writer.put(f"label_{task}", i, np.asarray(values)[None])
    return writer.finish()


def _put_features(writer: FeatureWriter, first: int, features: dict[str, Tensor]) -> None:
    for name, values in features.items():
        writer.put(name if name.startswith("neck ") else f"feature_{name}", first, values.cpu().numpy())


@torch.inference_mode()
def _unseen_features(folder: Path, frames: FeatureSet, originals: OriginalNetworks, device: str) -> FeatureSet:
    """h_t of the unseen tasks, of frames whose necks are kept already."""
    if (folder / COMPLETE).exists():
        return FeatureSet(folder)
    writer = FeatureWriter(folder, len(frames))
    for first in tqdm(range(0, len(frames), BATCH), desc=folder.name):
        at = slice(first, first + BATCH)
        for task, group in NECK_OF.items():
            neck = torch.from_numpy(np.asarray(frames.arrays[f"neck {group}"][at])).to(device).float()
            writer.put(f"feature_{task}", first, originals.unseen_features[task](neck).cpu().numpy())
        for task, label in LABEL_OF.items():
            writer.put(f"label_{task}", first, np.asarray(frames.arrays[f"label_{label}"][at]))
    return writer.finish()


def _train_unseen(
    originals: OriginalNetworks, fit: FeatureSet, folder: Path, settings: UnseenTraining, device: str
) -> None:
    """Train (or resume, or load) feature and head of each unseen task on the frozen necks."""
    for task, group in NECK_OF.items():
        torch.manual_seed(settings.seed)
        feature, head = originals.unseen_features[task], originals.unseen_heads[task]
        network = nn.Sequential(feature, head).requires_grad_(True).train()

        def batch(step: int, task: str = task, group: str = group) -> FeatureBatch:
            chosen = fit.random(settings.seed, step, settings.batch)
            neck = torch.from_numpy(np.ascontiguousarray(fit.arrays[f"neck {group}"][chosen])).float()
            label = LABEL_OF.get(task, task)
            return FeatureBatch({"neck": neck}, {task: fit.batch(chosen, (), (label,)).labels[label]}, {})

        def losses(
            step: int, part: FeatureBatch, task: str = task, network: nn.Sequential = network
        ) -> dict[str, Tensor]:
            return {task: task_loss(TASKS[task], network(part.features["neck"]), part.labels[task])}

        trained = train(
            network, [{"params": list(network.parameters()), "lr": settings.learning_rate}], losses, lambda _: 1.0,
            partial(read_ahead, batch), settings, folder / f"original-{task}.pt", device,
        )  # fmt: skip
        feature.load_state_dict(trained[0].state_dict())
        head.load_state_dict(trained[1].state_dict())
    originals.eval().requires_grad_(False)
