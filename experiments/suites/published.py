"""The published networks as an experiment's original ones (paper 4.1): features on a scale that suits the codec, and heads that take them.

    picture --HourglassEncoder--> h_t --FeatureScale--> feature [8, 16, 16] --PublishedHead: scale back, decoder--> raw result

Law: PublishedHead(FeatureScale(h_t)) is the published decoder's result of h_t; the scale is a change of unit.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from training.datasets.frame import DataError
from training.networks.hourglass import (
    HourglassClassDecoder,
    HourglassDecoder,
    HourglassEncoder,
    load_encoder,
    load_task_decoder,
    network_files,
)


@dataclass(frozen=True)
class FeatureScale:
    """Mean and deviation of one task's h_t, over all its channels at once, so that IDFC's grey levels stay as they are.

    Published features are not negative and of any size; the codec's last layers begin with numbers about zero, of the size of one.
    """

    mean: float
    deviation: float

    @classmethod
    def of(cls, task: str, features: Tensor) -> FeatureScale:
        """Return the moments of float32 [N, ...]; raises DataError unless they are finite and differ."""
        deviation, mean = (float(value) for value in torch.std_mean(features.double()))
        if not (np.isfinite(mean) and np.isfinite(deviation) and deviation > 0):
            raise DataError(
                f"the features of {task} have the mean {mean} and the deviation {deviation}: they tell nothing; "
                "its files are not the published network's"
            )
        return cls(mean, deviation)

    def apply(self, feature: Tensor) -> Tensor:
        """h_t -> feature."""
        return (feature - self.mean) / self.deviation

    def undo(self, feature: Tensor) -> Tensor:
        """Feature -> h_t."""
        return feature * self.deviation + self.mean


class PublishedHead(nn.Module):
    """Feature [N, 8, 16, 16] -> the published decoder's raw result [N, C, 256, 256], or logits [N, classes]."""

    def __init__(self, decoder: HourglassDecoder | HourglassClassDecoder, scale: FeatureScale) -> None:
        super().__init__()
        self.decoder, self.scale = decoder, scale

    def forward(self, feature: Tensor) -> Tensor:
        return self.decoder(self.scale.undo(feature))


class PublishedNetworks:
    """The networks of `tasks` in a folder of published files, on `device`.

    A network is loaded when it is first needed: training a codec needs no encoder. Raises DataError: at once, naming a file that is
    missing; when it is loaded, naming one that is refused.
    """

    def __init__(self, directory: Path, tasks: Sequence[str], device: str) -> None:
        self.files = {task: network_files(directory, task) for task in tasks}
        self.device = device
        self._encoders: dict[str, HourglassEncoder] = {}
        self._decoders: dict[str, HourglassDecoder | HourglassClassDecoder] = {}

    @property
    def digest(self) -> str:
        """SHA-256 over the files' names, which carry the digests of their contents; these are checked wherever a file is loaded."""
        names = [path.name for files in self.files.values() for path in files]
        return hashlib.sha256("\n".join(names).encode()).hexdigest()

    def encoder(self, task: str) -> HourglassEncoder:
        """Return the published encoder of one task."""
        if task not in self._encoders:
            encoder = load_encoder(self.files[task][0])
            self._encoders[task] = encoder.to(self.device).to(memory_format=torch.channels_last)
        return self._encoders[task]

    def decoder(self, task: str) -> HourglassDecoder | HourglassClassDecoder:
        """Return the published decoder of one task."""
        if task not in self._decoders:
            decoder = load_task_decoder(self.files[task][1], task)
            self._decoders[task] = decoder.to(self.device).to(memory_format=torch.channels_last)
        return self._decoders[task]

    @torch.no_grad()
    def feature(self, task: str, pictures: npt.NDArray[np.uint8]) -> Tensor:
        """h_t float32 [N, 8, 16, 16] of pictures uint8 [N, 256, 256, 3], as published."""
        return self.encoder(task)(torch.from_numpy(np.ascontiguousarray(pictures)).to(self.device))

    @torch.no_grad()
    def result(self, task: str, pictures: npt.NDArray[np.uint8]) -> Tensor:
        """Raw result [N, C, 256, 256] or logits [N, classes] of pictures uint8 [N, 256, 256, 3]."""
        return self.decoder(task)(self.feature(task, pictures))
