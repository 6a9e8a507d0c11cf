"""Rate-performance curves of every task under every scheme, where the bits go, and what the codec's sizes are worth (paper 3.1).

curves      every task alone: codebook, hyperprior, IDFC, with all operating points, and the original and the control beside them
split       share of side information (v, or the hyper-latent) in the bits
ablations   codebook size tau, sequences n, length of v, no side information at all, a linear path, labels alone, optimised rounding
spatial     a class task coded from a vector and from a feature with spatial dimensions
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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
    steps = setup.steps
    found = {"as it is": Run.of("codebook", ABLATED, steps=steps)}
    for name, values in SIZES.items():
        for value in values:
            found[f"{name}={value}"] = replace(found["as it is"], changes=((name, value),))
    found["no side information"] = Run.of("positions", ABLATED, steps=steps)
    found["one Gaussian a channel"] = Run.of("channels", ABLATED, steps=steps)
    found["linear path"] = Run.of("linear", ABLATED, steps=steps)
    found["labels only"] = Run.of("codebook", ABLATED, steps=steps, mimic=False)
    return found


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
    return setup.described() | {
        "tasks": tasks,
        "ablations": {
            **{
                name: _ablation(setup, by_run, by_run[run].test, by_run[run].parameters)
                for name, run in ablation_runs(setup).items()
            },
            "optimised rounding": _ablation(
                setup, by_run, rounding_points(setup), by_run[ablation_runs(setup)["as it is"]].parameters
            ),
        },
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
    run = Run.of("codebook", ABLATED, steps=setup.steps)
    codec = trained_codec(setup.suite, run, setup.device)
    folder = setup.suite.folder / "baselines"

    def make(rate: int) -> Point:
        return measure(codec, setup.suite, "test", (ABLATED,), rate, setup.device, coded=True, optimise_rounding=True)

    return [kept(folder / f"rounding_{run.key}_{rate}.json", partial(make, rate)) for rate in range(codec.spec.rates)]


def _ablation(
    setup: Setup, by_run: Mapping[Run, RunResult], points: Sequence[Point], parameters: int
) -> dict[str, Any]:
    task = setup.suite.tasks[ABLATED]
    base = by_run[Run.of("codebook", ABLATED, steps=setup.steps)].test
    curves = [curve_of(found, ABLATED, task.figure, task.higher_is_better) for found in (points, base)]
    return {
        "parameters": parameters,
        "test": [point.as_json() for point in points],
        "rate_ratio": mean_rate_ratio(*curves),
    }


def _points(result: RunResult) -> dict[str, Any]:
    return {"parameters": result.parameters, "test": [point.as_json() for point in result.test]}
