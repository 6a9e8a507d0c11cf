"""A task's result as the cloud sends it and the client gives it out.

ClassesResult | TensorResult | PictureResult        one for each task that was asked for
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from numpy.typing import NDArray


class Encoding(StrEnum):
    """The form of dense results: the numbers themselves, or the picture that `taxon decode` draws."""

    TENSOR = "tensor"
    PNG = "png"


@dataclass(frozen=True)
class GroupBytes:
    """The cost of one task group of a frame.

    rate: its operating point. bytes: the size of its substream, with header and check sum.
    """

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
    """The most probable classes of a class task, the most probable one first."""

    task: str
    classes: tuple[ClassProbability, ...]


@dataclass(frozen=True, eq=False)
class TensorResult:
    """The numbers of a dense task: float32 [C, H, W], or uint8 [H, W] of class ids."""

    task: str
    values: NDArray[Any] = field(repr=False)


@dataclass(frozen=True)
class PictureResult:
    """A dense task's picture, as `taxon decode` draws it. Sizes are in pixels."""

    task: str
    png: bytes = field(repr=False)
    width: int
    height: int
