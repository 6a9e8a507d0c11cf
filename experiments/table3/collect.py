"""Table 3: six tasks coded apart (Customized), in two groups (Trinity) and together (Hex), and pairs that help (paper 4.4).

All codecs share one table of prices of a bit, so that operating point r of each is the same trade.
The curve of an aggregation has, for each r, the sum of its codecs' rates and the mean performance relative to the original networks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import combinations
from typing import Any

from experiments.runs.curves import Curve, mean_rate_ratio, relative_performance
from experiments.runs.measure import original_figures
from experiments.runs.plateau import TOLERANCE
from experiments.runs.runs import Run, RunResult
from experiments.runs.setup import Setup

PAIR_STEPS_SHARE = 0.25

Groups = tuple[tuple[str, ...], ...]


def aggregations(setup: Setup) -> dict[str, Groups]:
    """The groups of each aggregation: of the suite's tasks, in its order."""
    seen = setup.suite.seen
    return {
        "customized": tuple((task,) for task in seen),
        "trinity": tuple(setup.suite.groups.values()),
        "hex": (seen,),
    }


def runs(setup: Setup) -> list[Run]:
    """One codec a group."""
    groups = {group for found in aggregations(setup).values() for group in found}
    return [Run.of("codebook", *group, steps=setup.steps) for group in sorted(groups)]


def pair_runs(setup: Setup) -> list[Run]:
    """Every task alone and every pair, with fewer steps (the same for all), for which the linear path makes up."""
    steps = max(1, int(setup.steps * PAIR_STEPS_SHARE))
    groups: list[tuple[str, ...]] = [(task,) for task in setup.suite.seen]
    groups += list(combinations(setup.suite.seen, 2))
    return [replace(Run.of("linear", *group, steps=steps), validation_only=True) for group in groups]


def collect(setup: Setup) -> dict[str, Any]:
    """The experiment's results file."""
    suite = setup.suite
    originals = {split: original_figures(suite, split, suite.seen, setup.device) for split in ("validation", "test")}
    by_group = {result.run.tasks: result for result in setup.results(runs(setup))}
    found: dict[str, Any] = setup.described() | {"original": originals, "tolerance": TOLERANCE, "aggregations": {}}
    for name, groups in aggregations(setup).items():
        parts = [by_group[group] for group in groups]
        found["aggregations"][name] = {
            "groups": groups,
            "curve": {split: curve_of(setup, parts, originals[split], split) for split in ("validation", "test")},
        }
    curves = {
        name: Curve.of([(at["bpp"], at["relative"]) for at in entry["curve"]["test"]], True)
        for name, entry in found["aggregations"].items()
    }
    found["rate_ratio"] = {
        f"{ours} / customized": mean_rate_ratio(curves[ours], curves["customized"]) for ours in ("trinity", "hex")
    }
    found["pairs"] = pairs(setup, originals["validation"])
    return found


def curve_of(
    setup: Setup, parts: Sequence[RunResult], originals: Mapping[str, Mapping[str, float]], split: str
) -> list[dict[str, Any]]:
    """Return for each operating point the total rate, every task's figure, and the mean relative performance."""
    curve = []
    for points in zip(*(getattr(part, split) for part in parts), strict=True):
        figures = {task: values for point in points for task, values in point.figures.items()}
        shares = []
        for task, values in figures.items():
            kind = setup.suite.tasks[task]
            shares.append(
                relative_performance(values[kind.figure], originals[task][kind.figure], kind.higher_is_better)
            )
        curve.append(
            {
                "bpp": sum(point.bpp for point in points),
                "bits": sum(point.bits for point in points),
                "relative": sum(shares) / len(shares),
                "figures": {task: values[setup.suite.tasks[task].figure] for task, values in figures.items()},
            }
        )
    return curve


def pairs(setup: Setup, originals: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """Rate of each pair coded together, relative to the two apart at equal mean performance; and the best grouping by these.

    On validation frames and by cross-entropy: this is a choice.
    """
    by_group = {result.run.tasks: result for result in setup.results(pair_runs(setup))}
    ratios: dict[str, float | None] = {}
    for a, b in combinations(setup.suite.seen, 2):
        together, apart = (
            Curve.of([(at["bpp"], at["relative"]) for at in curve_of(setup, parts, originals, "validation")], True)
            for parts in ([by_group[a, b]], [by_group[a,], by_group[b,]])
        )
        ratios[f"{a}+{b}"] = mean_rate_ratio(together, apart)
    return {
        "steps": pair_runs(setup)[0].steps,
        "rate_ratio": ratios,
        "best_grouping": best_grouping(setup.suite.seen, ratios),
    }


def best_grouping(tasks: Sequence[str], ratios: Mapping[str, float | None]) -> list[list[str]]:
    """The partition of the tasks whose groups' mean pair ratio, weighted by group size, is least; a task alone counts as 1.

    All partitions are tried (203 of six tasks).
    """

    def ratio(a: str, b: str) -> float:
        known = ratios.get(f"{a}+{b}") or ratios.get(f"{b}+{a}")
        return 1.0 if known is None else known

    def cost(partition: list[list[str]]) -> float:
        total = 0.0
        for group in partition:
            inside = [ratio(a, b) for a, b in combinations(group, 2)]
            total += len(group) * (sum(inside) / len(inside) if inside else 1.0)
        return total

    return min(partitions(list(tasks)), key=cost)


def partitions(items: list[str]) -> list[list[list[str]]]:
    """Every way of dividing `items` into groups."""
    if not items:
        return [[]]
    first, rest = items[0], items[1:]
    found = []
    for smaller in partitions(rest):
        found.append([[first], *smaller])
        for i, group in enumerate(smaller):
            found.append([*smaller[:i], [first, *group], *smaller[i + 1 :]])
    return found
