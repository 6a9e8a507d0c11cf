"""rd.json as typed values.

found --Results.of--> every task's curves, the ablations of one task's codec, and class tasks with and without spatial features
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from experiments.rd.collect import ABLATED, SPATIAL_TWIN
from experiments.report.results import JudgedTask, Made, points_of
from experiments.runs.measure import Point

NAME = "rd"
SCHEMES = ("codebook", "hyperprior")


@dataclass(frozen=True)
class TaskCurves(JudgedTask):
    """One task alone. curves: {scheme: operating points}; idfc: its QPs, coarsest first."""

    original: float
    control: float
    curves: Mapping[str, tuple[Point, ...]]
    idfc: tuple[Point, ...]
    rate_ratio: float | None


@dataclass(frozen=True)
class Ablation:
    """The codec with one thing changed. rate_ratio: its rate by that of the codec as it is, at equal figures; None: no common range."""

    name: str
    parameters: int
    test: tuple[Point, ...]
    rate_ratio: float | None


@dataclass(frozen=True)
class FeatureKind:
    """A class task's codec on one kind of feature. task: its name in the figures; original: the figure without any coding."""

    kind: str
    task: str
    parameters: int
    original: float
    test: tuple[Point, ...]


@dataclass(frozen=True)
class RdResults:
    """The results file. spatial: {task: its vector feature and its spatial one}, empty where the suite has no such task."""

    made: Made
    tasks: tuple[TaskCurves, ...]
    ablations: tuple[Ablation, ...]
    spatial: Mapping[str, tuple[FeatureKind, ...]]

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> RdResults:
        """From rd.json."""
        tasks = tuple(_task(name, entry) for name, entry in found["tasks"].items())
        ablations = tuple(
            Ablation(name, entry["parameters"], points_of(entry["test"]), entry["rate_ratio"])
            for name, entry in found["ablations"].items()
        )
        figures = {task.name: task.figure for task in tasks}
        spatial = {name: _kinds(name, figures[name], entry) for name, entry in found["spatial"].items()}
        return cls(Made.of(found, NAME), tasks, ablations, spatial)

    @property
    def ablated(self) -> TaskCurves:
        """The task whose codec was changed; raises KeyError where the suite has none."""
        return {task.name: task for task in self.tasks}[ABLATED]


def _task(name: str, entry: Mapping[str, Any]) -> TaskCurves:
    figure = entry["figure"]
    return TaskCurves(
        name,
        figure,
        entry["higher_is_better"],
        entry["original"][figure],
        Point(**entry["control"]).figures[name][figure],
        {scheme: points_of(points) for scheme, points in entry["curves"].items()},
        points_of(entry["idfc"]),
        entry["rate_ratio"]["codebook / hyperprior"],
    )


def _kinds(task: str, figure: str, entry: Mapping[str, Any]) -> tuple[FeatureKind, ...]:
    names = {"vector": task, "spatial": SPATIAL_TWIN[task]}
    return tuple(
        FeatureKind(
            kind, name, entry[kind]["parameters"], entry["original"][name][figure], points_of(entry[kind]["test"])
        )
        for kind, name in names.items()
    )
