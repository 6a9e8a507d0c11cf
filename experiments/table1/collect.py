"""Table 1: one task's feature under every scheme (paper 4.2), three seeds.

For the schemes with a rate: the curve over all operating points, and the plateau (eq. 4) read between them, chosen on validation frames.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from experiments.runs.baselines import IDFC_QPS, idfc_point
from experiments.runs.curves import mean_rate_ratio
from experiments.runs.measure import Point, curve_of, original_figures
from experiments.runs.plateau import Plateau, interpolated, threshold
from experiments.runs.runs import Run, RunResult
from experiments.runs.setup import Setup

TASK = "segment_semantic"
SCHEMES = ("hyperprior", "scale", "codebook", "context", "linear")
OURS, THEIRS = "codebook", "scale"
RATIOS = (
    (OURS, THEIRS), (OURS, "hyperprior"), ("context", OURS), ("linear", OURS), ("linear", THEIRS), ("linear", "hyperprior"),
)  # fmt: skip
IDFC_SHOWN = (51, 43)


def runs(setup: Setup) -> list[Run]:
    """Control group and every scheme, with every seed."""
    return [
        Run.of(scheme, TASK, seed=seed, steps=setup.steps)
        for seed in range(setup.seeds)
        for scheme in ("control", *SCHEMES)
    ]


def collect(setup: Setup) -> dict[str, Any]:
    """The experiment's results file."""
    suite, task = setup.suite, setup.suite.tasks[TASK]
    results = setup.results(runs(setup))
    of = {scheme: [r for r in results if r.run.scheme == scheme] for scheme in ("control", *SCHEMES)}
    original = {split: original_figures(suite, split, (TASK,), setup.device)[TASK] for split in ("validation", "test")}
    control = mean_figure([r.validation[0] for r in of["control"]], TASK, task.figure)
    limit = threshold(task, control)
    found: dict[str, Any] = setup.described() | {
        "task": TASK,
        "figure": task.figure,
        "plateau_threshold": limit,
        "original": original,
        "control": [{"validation": r.validation[0].as_json(), "test": r.test[0].as_json()} for r in of["control"]],
        "schemes": {
            scheme: [
                _scheme(result, task.name, interpolated(task, limit, result.validation, result.test))
                for result in of[scheme]
            ]
            for scheme in SCHEMES
        },
        "idfc": [
            {split: idfc_point(suite, TASK, split, qp, setup.device).as_json() for split in ("validation", "test")}
            for qp in sorted({*IDFC_QPS, *IDFC_SHOWN}, reverse=True)
        ],
    }
    found["rate_ratio"] = {
        f"{ours} / {theirs}": [
            mean_rate_ratio(curve_of(a.test, TASK, task.figure), curve_of(b.test, TASK, task.figure))
            for a, b in zip(of[ours], of[theirs], strict=True)
        ]
        for ours, theirs in RATIOS
    }
    return found


def _scheme(result: RunResult, task: str, plateau: Plateau) -> dict[str, Any]:
    return {
        "seed": result.run.seed,
        "parameters": result.parameters,
        "validation": [point.as_json() for point in result.validation],
        "test": [point.as_json() for point in result.test],
        "plateau": asdict(plateau),
    }


def mean_figure(points: Sequence[Point], task: str, figure: str) -> float:
    """Mean of one figure over several points."""
    return sum(point.figures[task][figure] for point in points) / len(points)
