"""One training run of an experiment: a codec of some scheme for some tasks, trained once, measured, and kept.

    Run --train_codec--> <key>.pt (resumed where it was stopped) --measure--> <key>.json: curves on validation and test

All operating points come from one network per run, a random one for every frame and step, as in the product's codec
(training.stages.codec). Law: a run's key names everything that its result depends on, within its suite's folder.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from filelock import FileLock
from torch import Tensor

from experiments.codecs.schemes import HyperpriorCodec, build_tables, make_codec
from experiments.runs.measure import Point, measure
from experiments.suites.suite import FeatureBatch, Suite
from experiments.suites.tasks import mimic_loss, task_loss
from training.data.batches import read_ahead
from training.loop import STEP_SEEDS, LoopSettings, load_checkpoint, save_checkpoint, train
from training.networks.codec import TransformCodec
from training.networks.codec_spec import CodecSpec
from training.stages.codec import STEP_LEARNING_RATE_FACTOR, STEP_PARAMETERS

# price of a bit in units of the summed task losses, from the fewest bits to the most
PRICES = (4e-3, 1.8e-3, 8e-4, 3.5e-4, 1.6e-4, 7e-5)
BASE_SEED = 20261126
START_FRAMES = 600
VECTOR_LENGTHS = {"class_scene": 16, "class_object": 48}


@dataclass(frozen=True, kw_only=True)
class RunTraining(LoopSettings):
    """Settings of every run; only steps and seed differ between runs."""

    steps: int = 800
    weight_decay: float = 1e-4
    seed: int = BASE_SEED
    warm_up_steps: int = 50
    average_decay: float = 0.99
    batch: int = 12
    learning_rate: float = 1.5e-3


@dataclass(frozen=True)
class Run:
    """The codec that a run trains.

    scheme: a name of experiments.codecs.schemes. tasks: whose features go in. supervised: whose losses train it (others only ride along,
    the paper's Binary+). changes: fields of CodecSpec that differ from the usual size, in order. mimic: a task's loss is also the distance
    to the original network's own result, so that frames without labels teach and few labelled ones are not learned by heart.
    validation_only: a run to choose by, which never sees test frames.
    """

    scheme: str
    tasks: tuple[str, ...]
    supervised: tuple[str, ...]
    seed: int = 0
    steps: int = RunTraining.steps
    changes: tuple[tuple[str, int], ...] = ()
    mimic: bool = True
    validation_only: bool = False

    @classmethod
    def of(
        cls, scheme: str, *tasks: str, seed: int = 0, steps: int = RunTraining.steps, mimic: bool = True, **changes: int
    ) -> Run:
        """A run that is supervised by all its tasks."""
        return cls(scheme, tasks, tasks, seed, steps, tuple(sorted(changes.items())), mimic)

    @property
    def key(self) -> str:
        """File name of the run."""
        plus = [f"+{task}" for task in self.tasks if task not in self.supervised]
        changed = [f"{name}={value}" for name, value in self.changes]
        return "_".join(
            [
                self.scheme,
                "-".join(self.supervised),
                *plus,
                *changed,
                *([] if self.mimic else ["labels-only"]),
                *(["validation"] if self.validation_only else []),
                f"{self.steps}steps",
                f"seed{self.seed}",
            ]
        )


@dataclass(frozen=True)
class RunResult:
    """A finished run: operating points from the fewest bits to the most, on validation (cross-entropy) and test (real bytes)."""

    run: Run
    parameters: int
    validation: tuple[Point, ...]
    test: tuple[Point, ...]


def spec_of(suite: Suite, run: Run) -> CodecSpec:
    """Sizes of the run's codec: 16 channels and 8 more for each task with spatial features; a vector task adds its latent."""
    changes = dict(run.changes)
    spatial = changes.pop("spatial_classes", 0)
    vectors = {} if spatial else suite.vectors
    dense = [task for task in run.tasks if task not in vectors]
    lengths = {
        f"vector_{name}": VECTOR_LENGTHS[f"class_{name}"]
        if f"class_{name}" in run.tasks and f"class_{name}" in vectors
        else 0
        for name in ("scene", "object")
    }
    spec = CodecSpec(
        run.tasks, channels=16 + 8 * len(dense) if dense else 0, side_information=24 if dense else 8, rates=len(PRICES), **lengths
    )  # fmt: skip
    if run.scheme == "linear":
        spec = replace(spec, linear=1)
    return replace(spec, **changes)  # type: ignore[arg-type]


def train_run(suite: Suite, run: Run, device: str) -> TransformCodec:
    """Train (or resume, or load) the codec of a run."""
    settings = RunTraining(steps=run.steps, seed=BASE_SEED + run.seed)
    torch.manual_seed(settings.seed)
    codec = make_codec(run.scheme, spec_of(suite, run))
    # the codec starts from features of frames from all over the training set
    spread = np.linspace(0, len(suite.fit) - 1, min(START_FRAMES, len(suite.fit))).astype(np.int64)
    codec.initialise(suite.fit.batch(spread, run.tasks, ()).features)
    codec = codec.to(device).to(memory_format=torch.channels_last).train()
    steps = [p for n, p in codec.named_parameters() if n.endswith(STEP_PARAMETERS) and p.requires_grad]
    others = [p for n, p in codec.named_parameters() if not n.endswith(STEP_PARAMETERS) and p.requires_grad]
    parameters: list[dict[str, Any]] = [
        {"params": others, "lr": settings.learning_rate},
        {"params": steps, "lr": settings.learning_rate * STEP_LEARNING_RATE_FACTOR, "weight_decay": 0.0},
    ]
    prices = torch.tensor(PRICES, device=device)
    weights = {task: suite.tasks[task].weight for task in run.supervised}
    weights |= {f"mimic {task}": weight for task, weight in weights.items()}

    def losses(step: int, batch: FeatureBatch) -> dict[str, Tensor]:
        rate = random_rates(step, settings.seed, settings.batch, device)
        coded = codec(batch.features, rate)
        found = {"bits": (prices[rate] * coded.bits).mean()}
        for task in run.supervised:
            raw = suite.heads[task](coded.features[task])
            found[task] = task_loss(suite.tasks[task], raw, batch.labels[task])
            if run.mimic:
                original = batch.originals.get(task)
                if original is None:
                    original = suite.heads[task](batch.features[task])
                found[f"mimic {task}"] = mimic_loss(suite.tasks[task], raw, original)
        return found

    def batch(step: int) -> FeatureBatch:
        chosen = suite.fit.random(settings.seed, step, settings.batch)
        return suite.fit.batch(chosen, run.tasks, run.supervised)

    path = suite.folder / "runs" / f"{run.key}.pt"
    path.parent.mkdir(parents=True, exist_ok=True)
    trained = train(
        codec, parameters, losses, lambda name: weights.get(name, 1.0), partial(read_ahead, batch), settings, path, device
    )  # fmt: skip
    if isinstance(trained, HyperpriorCodec):
        build_tables(trained)
    return trained.eval()


def random_rates(step: int, seed: int, count: int, device: str) -> Tensor:
    """int64 [count]: the operating points of a training step's frames, drawn from the seed and the step alone."""
    generator = torch.Generator().manual_seed(seed * STEP_SEEDS + step)
    return torch.randint(0, len(PRICES), (count,), generator=generator).to(device)


def result_of(suite: Suite, run: Run, device: str) -> RunResult:
    """The run's result: read, or made now; two processes that want the same run wait for each other."""
    path = suite.folder / "runs" / f"{run.key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            codec = train_run(suite, run, device)
            judged = run.supervised
            has_rate = run.scheme != "control"
            rates = range(len(PRICES)) if has_rate else range(1)
            made = RunResult(
                run,
                sum(p.numel() for p in codec.parameters()),
                tuple(measure(codec, suite, "validation", judged, rate, device) for rate in rates),
                tuple(
                    measure(codec, suite, "test", judged, rate, device, coded=has_rate)
                    for rate in (() if run.validation_only else rates)
                ),
            )
            temporary = path.with_suffix(".tmp")
            temporary.write_text(json.dumps(asdict(made), indent=1))
            temporary.rename(path)
            _shrink(path.with_suffix(".pt"))
    data: Mapping[str, Any] = json.loads(path.read_text())
    validation, test = (tuple(Point(**point) for point in data[split]) for split in ("validation", "test"))
    return RunResult(run, data["parameters"], validation, test)


def trained_codec(suite: Suite, run: Run, device: str) -> TransformCodec:
    """The codec of a finished run."""
    result_of(suite, run, device)
    return train_run(suite, run, device)


def _shrink(path: Path) -> None:
    """Keep of a finished run's checkpoint what `train` needs to return its average."""
    state = load_checkpoint(path, "cpu")
    assert state is not None
    save_checkpoint(path, average=state["average"], step=state["step"])
