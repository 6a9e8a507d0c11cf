"""Unseen tasks from a frozen bitstream (paper 3.2, second training phase, and 4.5).

z of a trained codec (frozen) --UnseenDecoder--> h^_(N+1) --the task's own frozen head--> result
"""

from __future__ import annotations

import copy
import json
from dataclasses import asdict, dataclass
from functools import partial

import torch
from filelock import FileLock
from torch import Tensor, nn

from experiments.runs.measure import Point, measure
from experiments.runs.runs import BASE_SEED, Run, RunTraining, random_rates, trained_codec
from experiments.suites.suite import FeatureBatch, Suite
from experiments.suites.tasks import mimic_loss, task_loss
from training.data.batches import read_ahead
from training.loop import train
from training.networks.codec import TransformCodec
from training.networks.layers import SeparableResidual
from training.networks.task import DENSE_CHANNELS
from training.networks.transform import WIDTH


@dataclass(frozen=True)
class UnseenRun:
    """A decoder for `task`, trained on what the codec of `base` sends."""

    base: Run
    task: str
    steps: int

    @property
    def key(self) -> str:
        """File name of the run."""
        return f"unseen_{self.task}_{self.steps}steps_from_{self.base.key}"


class UnseenDecoder(nn.Module):
    """z [N, K] -> h^ of a task that the codec was not trained for.

    Starts from the codec's own decoder (the bitstream stays as it is, what reads it may change) with new last layers.
    """

    def __init__(self, codec: TransformCodec, task: str, vector_length: int) -> None:
        super().__init__()
        self.task = task
        self.codec = codec.requires_grad_(False)
        self.decoder = copy.deepcopy(codec.decoder).requires_grad_(True)
        self.decoder.split = nn.ModuleDict()
        self.vector = bool(vector_length)
        inputs = WIDTH + codec.spec.vector
        self.last: nn.Module = (
            nn.Sequential(nn.Linear(inputs, 256), nn.ReLU(), nn.Linear(256, vector_length))
            if vector_length
            else nn.Sequential(SeparableResidual(96, 1), SeparableResidual(96, 1), nn.Conv2d(96, DENSE_CHANNELS, 1))
        )

    def forward(self, z: Tensor, rate: Tensor) -> dict[str, Tensor]:
        spatial, vector = self.codec.dequantised(z, rate)
        deep, shallow = self.decoder.maps(spatial, rate)
        feature = self.last(torch.cat([deep.mean((2, 3)), vector], 1)) if self.vector else self.last(shallow)
        return {self.task: feature}


def unseen_points(suite: Suite, run: UnseenRun, device: str) -> dict[str, list[Point]]:
    """Every operating point on `validation` and `test`: read, or made now."""
    path = suite.folder / "runs" / f"{run.key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            decoder = train_decoder(suite, run, device)
            found = {
                split: [
                    measure(decoder.codec, suite, split, (run.task,), rate, device, coded=True, decode=decoder)
                    for rate in range(decoder.codec.spec.rates)
                ]
                for split in ("validation", "test")
            }
            path.write_text(json.dumps({split: [asdict(point) for point in points] for split, points in found.items()}))
    return {split: [Point(**point) for point in points] for split, points in json.loads(path.read_text()).items()}


def train_decoder(suite: Suite, run: UnseenRun, device: str) -> UnseenDecoder:
    """Train (or resume, or load) the decoder; the codec of `run.base` is made first where it is missing."""
    settings = RunTraining(steps=run.steps, seed=BASE_SEED)
    torch.manual_seed(settings.seed)
    task = suite.tasks[run.task]
    codec = trained_codec(suite, run.base, device)
    decoder = UnseenDecoder(codec, run.task, suite.vectors.get(run.task, 0)).to(device)
    trainable = nn.ModuleList([decoder.decoder, decoder.last]).train()
    codec.eval()

    def losses(step: int, batch: FeatureBatch) -> dict[str, Tensor]:
        rate = random_rates(step, settings.seed, settings.batch, device)
        with torch.no_grad():
            z = codec.scaled(batch.features, rate).round()
        raw = suite.heads[run.task](decoder(z, rate)[run.task])
        found = {run.task: task_loss(task, raw, batch.labels[run.task])}
        # the original network's own result, where it is kept or cheap to make
        original = batch.originals.get(run.task)
        if original is None and run.task in batch.features:
            with torch.no_grad():
                original = suite.heads[run.task](batch.features[run.task])
        if original is not None:
            found["mimic"] = mimic_loss(task, raw, original)
        return found

    def batch(step: int) -> FeatureBatch:
        chosen = suite.fit.random(settings.seed, step, settings.batch)
        features = [*run.base.tasks, *([run.task] if f"feature_{run.task}" in suite.fit.arrays else [])]
        return suite.fit.batch(chosen, tuple(dict.fromkeys(features)), (run.task,))

    parameters = [{"params": [p for p in trainable.parameters() if p.requires_grad], "lr": settings.learning_rate}]
    path = suite.folder / "runs" / f"{run.key}.pt"
    averaged = train(trainable, parameters, losses, lambda _: 1.0, partial(read_ahead, batch), settings, path, device)
    trainable.load_state_dict(averaged.state_dict())
    return decoder.eval()
