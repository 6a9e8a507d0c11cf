"""Table 4: unseen tasks from a frozen bitstream against pictures at equal performance (paper 4.5).

Binary: a codec trained for two tasks of a group serves the third. Binary+: the third task's feature goes in as well, unsupervised.
Beyond the paper: depth and 40-class segmentation, which no group was trained for, from the Trinity streams; and AVIF, WebP and JPEG.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from experiments.runs.baselines import PICTURE_CODECS, picture_point, uncompressed_picture_point
from experiments.runs.curves import mean_rate_ratio
from experiments.runs.measure import Point, curve_of
from experiments.runs.runs import Run
from experiments.runs.setup import Setup
from experiments.runs.unseen import UnseenRun, unseen_points

UNSEEN_OF_GROUP = {"semantic": "class_object", "geometry": "reshading"}
FROM_TRINITY = {"depth": "geometry", "segment_40": "semantic"}


def representations(setup: Setup) -> dict[str, dict[str, UnseenRun]]:
    """{unseen task: {representation: run}}."""
    suite, steps = setup.suite, setup.steps
    found: dict[str, dict[str, UnseenRun]] = {}
    for group, unseen in UNSEEN_OF_GROUP.items():
        tasks = suite.groups[group]
        two = tuple(task for task in tasks if task != unseen)
        found[unseen] = {
            "binary": UnseenRun(Run.of("codebook", *two, steps=steps), unseen, steps),
            "binary+": UnseenRun(Run("codebook", tasks, two, 0, steps), unseen, steps),
        }
    for task, group in FROM_TRINITY.items():
        if task in suite.tasks:
            found[task] = {"trinity": UnseenRun(Run.of("codebook", *suite.groups[group], steps=steps), task, steps)}
    return found


def runs(setup: Setup) -> list[Run]:
    """The codecs whose bitstreams are read."""
    return [run.base for of_task in representations(setup).values() for run in of_task.values()]


def collect(setup: Setup) -> dict[str, Any]:
    """The experiment's results file."""
    setup.results(runs(setup))
    pictures = {
        codec.name: [picture_point(setup.suite, codec, quality, "test") for quality in qualities]
        for codec, qualities in PICTURE_CODECS
    }
    original = uncompressed_picture_point(setup.suite, "test").figures
    unseen = {task: _task(setup, task, of, pictures, original) for task, of in representations(setup).items()}
    return setup.described() | {
        "unseen": unseen,
        "pictures": {name: [point.as_json() for point in points] for name, points in pictures.items()},
    }


def _task(
    setup: Setup,
    name: str,
    of: dict[str, UnseenRun],
    pictures: dict[str, list[Point]],
    original: Mapping[str, Mapping[str, float]],
) -> dict[str, Any]:
    suite, task = setup.suite, setup.suite.tasks[name]
    found: dict[str, Any] = {
        "figure": task.figure,
        "higher_is_better": task.higher_is_better,
        "original": original[name],
        "representations": {},
    }
    for representation, run in of.items():
        points = unseen_points(suite, run, setup.device)
        ours = curve_of(points["test"], name, task.figure, task.higher_is_better)
        ratios = {
            codec: mean_rate_ratio(ours, curve_of(reference, name, task.figure, task.higher_is_better))
            for codec, reference in pictures.items()
        }
        found["representations"][representation] = {
            "coded_tasks": run.base.tasks,
            "supervised_tasks": run.base.supervised,
            "validation": [point.as_json() for point in points["validation"]],
            "test": [point.as_json() for point in points["test"]],
            "rate_ratio": ratios,
        }
    return found
