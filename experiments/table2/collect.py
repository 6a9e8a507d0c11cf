"""Table 2: the plateau bit-rate R_p (eq. 4) of every task, found by search, against IDFC's (paper 4.3).

For both methods, a task's threshold is its control group's figure on validation frames (mean over seeds) less the tolerance.
The control is what the feature can do through this transform without any rate. Where one of the two does not get there at all, rates are
compared at the best figure that both reach.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from typing import Any

from experiments.runs.baselines import idfc_point
from experiments.runs.measure import Point, measure, original_figures
from experiments.runs.plateau import Plateau, search, threshold
from experiments.runs.runs import Run, trained_codec
from experiments.runs.setup import Setup
from experiments.table1.collect import mean_figure

COARSEST_QP, FINEST_QP = 51, 0


def runs(setup: Setup) -> list[Run]:
    """Control and codebook of every task alone; the control with every seed, since it sets the threshold."""
    controls = [
        Run.of("control", task, seed=seed, steps=setup.steps)
        for task in setup.suite.seen
        for seed in range(setup.seeds if setup.suite.tasks[task].kind == "class" else 1)
    ]
    return controls + [codec_run(setup, task) for task in setup.suite.seen]


def codec_run(setup: Setup, task: str) -> Run:
    """Our codec of one task: with a linear path where its feature has spatial dimensions (a vector's transform is linear as it is)."""
    return Run.of("codebook" if task in setup.suite.vectors else "linear", task, steps=setup.steps)


def collect(setup: Setup) -> dict[str, Any]:
    """The experiment's results file."""
    setup.results(runs(setup))
    return setup.described() | {"tasks": {task: _task(setup, task) for task in setup.suite.seen}}


def control_figure(setup: Setup, task: str, split: str = "validation") -> float:
    """Return the control group's figure: the mean over the seeds that `runs` gives it."""
    wanted = [run for run in runs(setup) if run.scheme == "control" and run.tasks == (task,)]
    points = [getattr(result, split)[0] for result in setup.results(wanted)]
    return mean_figure(points, task, setup.suite.tasks[task].figure)


def plateau_search(setup: Setup, task: str, limit: float) -> tuple[Plateau, Plateau]:
    """Find the rates at which the codebook hyperprior and IDFC come to `limit`."""
    suite, device = setup.suite, setup.device
    codec = trained_codec(suite, codec_run(setup, task), device)

    def ours(split: str, rate: float) -> Point:
        return measure(codec, suite, split, (task,), rate, device, coded=True)

    def idfc(split: str, qp: float) -> Point:
        return idfc_point(suite, task, split, int(qp), device)

    return (
        search(ours, suite.tasks[task], limit, 0.0, codec.spec.rates - 1.0),
        search(idfc, suite.tasks[task], limit, COARSEST_QP, FINEST_QP, whole=True),
    )


def _task(setup: Setup, task: str) -> dict[str, Any]:
    suite, kind = setup.suite, setup.suite.tasks[task]
    limit = threshold(kind, control_figure(setup, task))
    ours, idfc = compared = plateau_search(setup, task, limit)
    for found in compared:
        if not found.reached:
            best = found.validation.figures[task][kind.figure]
            limit = best if kind.better(limit, best) else limit
    if not (ours.reached and idfc.reached):
        compared = plateau_search(setup, task, limit)
    original = partial(original_figures, suite, task_names=(task,), device=setup.device)
    return {
        "figure": kind.figure,
        "higher_is_better": kind.higher_is_better,
        "original": {split: original(split)[task] for split in ("validation", "test")},
        "control": {split: control_figure(setup, task, split) for split in ("validation", "test")},
        "plateau_threshold": threshold(kind, control_figure(setup, task)),
        "codebook": asdict(ours),
        "idfc": asdict(idfc),
        "compared_at": limit,
        "compared": [asdict(found) for found in compared],
        "rate_ratio": compared[0].test.bpp / compared[1].test.bpp,
    }
