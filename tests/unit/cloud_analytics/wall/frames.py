"""Frames as a subscription of a wall gives them, without any network."""

from __future__ import annotations

from cloud_analytics.frames import FrameResult, TaskOutput
from shared.contract.geometry import Geometry
from shared.contract.packets import Packet
from shared.contract.results import ClassesResult, ClassProbability, GroupBytes, PictureResult


def picture(task: str = "normal", png: bytes = b"png") -> PictureResult:
    return PictureResult(task, png, 192, 144)


def classes(task: str = "class_scene", label: str = "kitchen") -> ClassesResult:
    return ClassesResult(task, (ClassProbability(3, label, 0.75),))


def frame(sequence: int, *outputs: TaskOutput, camera: str = "kitchen", coded_bytes: int = 100) -> FrameResult:
    packet = Packet(camera, sequence, 1_000_000 + sequence, Geometry(640, 480, 256, 256), b"x" * coded_bytes)
    groups = (GroupBytes("semantic", 3, coded_bytes - 6),)
    return FrameResult(packet, 2_000_000 + sequence, b"d" * 32, groups, outputs, f"c:{sequence}")
