"""Write a bundle (docs/format.md) from trained networks.

uncompressed.pt, codec-final.pt | joint-final.pt --> graphs, integer tables, manifest --> models/<name>/<version>/
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from torchvision.models import EfficientNet_B0_Weights

from shared.codec.hyper_synthesis import LatentShape
from shared.contract.geometry import InputSize
from shared.errors import TaxonError
from shared.model.manifest import OperatingPoint, TaskEntry, TaskGroup, write_manifest
from shared.model.tasks import SEGMENTATION_LABELS, TASKS_OF_GROUP
from training.datasets.geometry import MINIMUM_RADIUS_METRES
from training.datasets.nyuv2 import SCENES
from training.export.cdf_tables import save_cdf_tables
from training.export.graphs import INPUT_PX, export_graphs, store_weights_in_half
from training.export.quantise import integer_arrays
from training.networks.backbone import ImageNetBranch, Trunk, pretrained_lite0
from training.networks.codec_spec import SPECS
from training.networks.task_networks import CodedNetworks, TaskNetworks

RATE_NAMES = ("lowest", "low", "middle", "high")
MODEL_CARD = "MODEL_CARD.md"
MEASURED = ("split", "frames", "operating_points")


class ExportError(TaxonError):
    """A bundle that cannot be written: it is there already, or its networks are not trained."""


def load_networks(work: Path, stages: Mapping[str, str]) -> tuple[TaskNetworks, CodedNetworks]:
    """The uncompressed task networks, and the coded ones with each group from the stage (`codec` or `joint`) that `stages` names.

    Groups share the backbone alone, which both stages leave as it is, so that each may come from where it measured better.
    """
    pretrained = pretrained_lite0()
    uncompressed = TaskNetworks(pretrained)
    uncompressed.load_state_dict(_stage(work, "uncompressed.pt", "tasks"))
    coded = CodedNetworks(TaskNetworks(pretrained))
    weights = _stage(work, f"{stages['semantic']}-final.pt", stages["semantic"])
    for group, stage in stages.items():
        own = _stage(work, f"{stage}-final.pt", stage)
        of_tasks = (f"tasks.{part}.{task}." for task in TASKS_OF_GROUP[group] for part in ("feature_nets", "heads"))
        prefixes = (f"codecs.{group}.", f"tasks.necks.{group}.", *of_tasks)
        weights |= {name: value for name, value in own.items() if name.startswith(prefixes)}
    coded.load_state_dict(weights)
    return uncompressed.eval(), coded.eval()


def _stage(work: Path, name: str, stage: str) -> dict[str, Tensor]:
    file = work / name
    if not file.is_file():
        raise ExportError(f"{file} is missing: run `taxon train --stage {stage}` first, or name its folder with --work")
    return dict(torch.load(file, map_location="cpu", weights_only=True))


def export_bundle(
    work: Path,
    output: Path,
    stages: Mapping[str, str],
    default_rate: int,
    card: Path | None = None,
    measured: Path | None = None,
) -> bytes:
    """Write the bundle whole or not at all; returns its digest.

    card: a file that is shipped as MODEL_CARD.md. measured: a report of `taxon evaluate`; the manifest keeps its frames and figures.
    Raises ExportError where `output` exists (bundles are immutable) or the work folder lacks a stage's result.
    """
    if output.exists():
        raise ExportError(f"{output} exists: a bundle is immutable, export to a new version")
    report = json.loads(measured.read_text()) if measured is not None else {}
    uncompressed, coded = load_networks(work, stages)
    pretrained = pretrained_lite0()
    output.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=output.parent) as temporary:
        directory = Path(temporary) / "bundle"
        directory.mkdir()
        export_graphs(coded, uncompressed, Trunk(pretrained), ImageNetBranch(pretrained), directory)
        for graph in directory.rglob("*.onnx"):
            store_weights_in_half(graph)
        for group in TASKS_OF_GROUP:
            np.savez_compressed(directory / group / "entropy.npz", **integer_arrays(coded.codec(group)))
        save_cdf_tables(directory / "cdf_tables.npz")
        if card is not None:
            shutil.copyfile(card, directory / MODEL_CARD)
        digest = write_manifest(
            directory,
            name=output.parent.name,
            version=output.name,
            input=InputSize(INPUT_PX, INPUT_PX),
            groups=[_group(index, name) for index, name in enumerate(TASKS_OF_GROUP)],
            tasks=[_task(task) for tasks in TASKS_OF_GROUP.values() for task in tasks],
            operating_points=[OperatingPoint(rate, name) for rate, name in enumerate(RATE_NAMES)],
            default_rate=default_rate,
            measured={name: report[name] for name in MEASURED} if report else {},
        )
        directory.rename(output)
    return digest


def _group(index: int, name: str) -> TaskGroup:
    spec = SPECS[name]
    return TaskGroup(
        name=name,
        id=index,
        tasks=TASKS_OF_GROUP[name],
        encoder=f"{name}/encoder.onnx",
        decoder=f"{name}/decoder.onnx",
        reference=f"{name}/reference.onnx",
        entropy=f"{name}/entropy.npz",
        latent=LatentShape(spec.channels, spec.height, spec.width, spec.vector),
        side_information=spec.side_information,
    )


def _task(task: str) -> TaskEntry:
    object_labels = EfficientNet_B0_Weights.IMAGENET1K_V1.meta["categories"]
    labels = {"class_scene": SCENES, "class_object": object_labels, "segment_semantic": SEGMENTATION_LABELS}
    radius = MINIMUM_RADIUS_METRES if task == "principal_curvature" else None
    return TaskEntry(task, f"heads/{task}.onnx", tuple(labels.get(task, ())), radius)
