"""A task's result as a subscriber gets it: what the cloud sends and the client gives out.

ClassesResult | TensorResult | PictureResult        one for each task that was asked for
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from numpy.typing import NDArray


class Encoding(StrEnum):
    """How dense results travel: the numbers themselves, or the picture that `taxon decode` draws."""

    TENSOR = "tensor"
    PNG = "png"


@dataclass(frozen=True)
class GroupBytes:
    """What one task group of a frame cost. rate: its operating point. bytes: of its substream, header and check sum included."""

    group: str
    rate: int
    bytes: int


@dataclass(frozen=True)
class ClassProbability:
    """One class of a class task."""

    index: int
    label: str
    probability: float


@dataclass(frozen=True)
class ClassesResult:
    """A class task's most probable classes, most probable first."""

    task: str
    classes: tuple[ClassProbability, ...]


@dataclass(frozen=True, eq=False)
class TensorResult:
    """A dense task's numbers: float32 [C, H, W], or uint8 [H, W] of class ids."""

    task: str
    values: NDArray[Any] = field(repr=False)


@dataclass(frozen=True)
class PictureResult:
    """A dense task's picture, as `taxon decode` draws it. Sizes in pixels."""

    task: str
    png: bytes = field(repr=False)
    width: int
    height: int
