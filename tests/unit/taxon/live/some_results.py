"""Results of a camera, as a subscriber gets them."""

from __future__ import annotations

from shared.contract.geometry import Geometry
from taxon.client import ClassesResult, ClassProbability, GroupBytes, Result, TaskResult


def result(camera: str = "kitchen", sequence: int = 1, *tasks: TaskResult, error: str = "", time_us: int = 0) -> Result:
    return Result(
        camera, sequence, time_us, 2, 100, (GroupBytes("semantic", 1, 60),), Geometry(640, 480, 256, 256), tasks, "", b"\1", error, "c"
    )  # fmt: skip


def scene(label: str, probability: float) -> ClassesResult:
    return ClassesResult("class_scene", (ClassProbability(3, label, probability), ClassProbability(4, "office", 0.1)))
