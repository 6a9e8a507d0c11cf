"""Rate-performance curves of every task under every scheme, where the bits go, and what the codec's sizes are worth (paper 3.1).

curves      every task alone: codebook, hyperprior, IDFC, with all operating points, and the original and the control beside them
split       share of side information (v, or the hyper-latent) in the bits
ablations   codebook size tau, sequences n, length of v, no side information at all, a linear path, labels alone, optimised rounding
spatial     a class task coded from a vector and from a feature with spatial dimensions
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from experiments.runs.baselines import IDFC_QPS, idfc_point, kept
from experiments.runs.curves import mean_rate_ratio
from experiments.runs.measure import Point, curve_of, measure, original_figures
from experiments.runs.runs import Run, RunResult, trained_codec
from experiments.runs.setup import Setup

CURVE_SCHEMES = ("codebook", "linear", "hyperprior")
ABLATED = "segment_semantic"
SIZES: dict[str, tuple[int, ...]] = {"codebook_size": (1,), "sequences": (4,)}
SPATIAL_TWIN = {"class_scene": "class_scene_spatial"}


def curve_runs(setup: Setup) -> list[Run]:
    """Every task alone, under every scheme that is trained."""
    return [
        Run.of(scheme, task, steps=setup.steps)
        for task in setup.suite.seen
        for scheme in ("control", *schemes_of(setup, task))
    ]


def schemes_of(setup: Setup, task: str) -> tuple[str, ...]:
    """The trained schemes of a task; one whose feature is a vector has no linear path to add."""
    return tuple(scheme for scheme in CURVE_SCHEMES if scheme != "linear" or task not in setup.suite.vectors)


def ablation_runs(setup: Setup) -> dict[str, Run]:
    """The segmentation codec with one thing changed; "as it is" first."""
    usual = Run.of("codebook", ABLATED, steps=setup.steps)
    return {
        "as it is": usual,
        **{f"{name}={at}": replace(usual, changes=((name, at),)) for name, values in SIZES.items() for at in values},
        "no side information": replace(usual, scheme="positions"),
        "one Gaussian a channel": replace(usual, scheme="channels"),
        "linear path": replace(usual, scheme="linear"),
        "labels only": replace(usual, mimic=False),
    }


def spatial_runs(setup: Setup) -> dict[str, Run]:
    """Class tasks whose feature can be had with spatial dimensions as well."""
    return {
        task: Run.of("codebook", twin, steps=setup.steps)
        for task, twin in SPATIAL_TWIN.items()
        if twin in setup.suite.tasks
    }


def runs(setup: Setup) -> list[Run]:
    """All of them."""
    return [*curve_runs(setup), *ablation_runs(setup).values(), *spatial_runs(setup).values()]


def collect(setup: Setup) -> dict[str, Any]:
    """The experiment's results file."""
    suite = setup.suite
    by_run = {result.run: result for result in setup.results(runs(setup))}
    tasks: dict[str, Any] = {}
    for name in suite.seen:
        task = suite.tasks[name]
        of = {
            scheme: by_run[Run.of(scheme, name, steps=setup.steps)] for scheme in ("control", *schemes_of(setup, name))
        }
        tasks[name] = {
            "figure": task.figure,
            "higher_is_better": task.higher_is_better,
            "original": original_figures(suite, "test", (name,), setup.device)[name],
            "control": of["control"].test[0].as_json(),
            "curves": {scheme: [point.as_json() for point in of[scheme].test] for scheme in schemes_of(setup, name)},
            "idfc": [idfc_point(suite, name, "test", qp, setup.device).as_json() for qp in IDFC_QPS],
            "rate_ratio": {
                "codebook / hyperprior": mean_rate_ratio(
                    *(
                        curve_of(of[scheme].test, name, task.figure, task.higher_is_better)
                        for scheme in ("codebook", "hyperprior")
                    )
                )
            },
        }
    ablated = {name: by_run[run] for name, run in ablation_runs(setup).items()}
    ablated["optimised rounding"] = replace(ablated["as it is"], test=tuple(rounding_points(setup)))
    return setup.described() | {
        "tasks": tasks,
        "ablations": {name: _ablation(setup, result, ablated["as it is"]) for name, result in ablated.items()},
        "spatial": {
            task: {
                "vector": _points(by_run[Run.of("codebook", task, steps=setup.steps)]),
                "spatial": _points(by_run[run]),
                "original": {
                    name: original_figures(suite, "test", (name,), setup.device)[name]
                    for name in (task, SPATIAL_TWIN[task])
                },
            }
            for task, run in spatial_runs(setup).items()
        },
    }


def rounding_points(setup: Setup) -> list[Point]:
    """The ablated codec as it is, with the encoder rounding as experiments.codecs.coding says: real bytes on test frames."""
    run = ablation_runs(setup)["as it is"]
    codec = trained_codec(setup.suite, run, setup.device)
    folder = setup.suite.folder / "baselines"

    def make(rate: int) -> Point:
        return measure(codec, setup.suite, "test", (ABLATED,), rate, setup.device, coded=True, optimise_rounding=True)

    return [kept(folder / f"rounding_{run.key}_{rate}.json", partial(make, rate)) for rate in range(codec.spec.rates)]


def _ablation(setup: Setup, changed: RunResult, usual: RunResult) -> dict[str, Any]:
    task = setup.suite.tasks[ABLATED]
    curves = [curve_of(found.test, ABLATED, task.figure, task.higher_is_better) for found in (changed, usual)]
    return _points(changed) | {"rate_ratio": mean_rate_ratio(*curves)}


def _points(result: RunResult) -> dict[str, Any]:
    return {"parameters": result.parameters, "test": [point.as_json() for point in result.test]}
