"""`taxon experiment NAME`: arguments, and the calls behind them.

NAME --collect--> docs/results/NAME.json --report--> NAME.md, NAME*.png, NAME*.svg

`privacy` asks no codec of its own but the released bundle, and so has its own package (experiments.privacy).
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import summary
from experiments.privacy import command as privacy
from experiments.rd import collect as rd
from experiments.report.results import report
from experiments.runs.runs import RunTraining
from experiments.runs.setup import OpenSuite, Setup
from experiments.suites.nyuv2 import OpenNyuv2
from experiments.suites.taskonomy import FrameCounts, OpenTaskonomy
from experiments.table1 import collect as table1
from experiments.table2 import collect as table2
from experiments.table3 import collect as table3
from experiments.table4 import collect as table4
from training.commands import add_common, data_folder, device_of, positive, set_threads
from training.datasets.frame import DataError
from training.datasets.taskonomy import is_taskonomy

DEFAULT_OUTPUTS = {"nyuv2": Path("docs/results"), "taskonomy": Path("out/results-taskonomy")}
DEFAULT_SEEDS = 3


@dataclass(frozen=True)
class Experiment:
    """collect: makes the results file's content. steps: of every codec's training, unless told otherwise.

    needs_unseen: whether the original networks of the unseen tasks are needed.
    """

    collect: Callable[[Setup], dict[str, Any]]
    steps: int
    needs_unseen: bool = False


EXPERIMENTS: Mapping[str, Experiment] = {
    # the comparison of schemes gets the longest training; the others need many more codecs
    "table1": Experiment(table1.collect, steps=800),
    "table2": Experiment(table2.collect, steps=400),
    "table3": Experiment(table3.collect, steps=400),
    "table4": Experiment(table4.collect, steps=400, needs_unseen=True),
    "rd": Experiment(rd.collect, steps=400, needs_unseen=True),
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`taxon experiment NAME [--data DIR] [--work DIR] [--device NAME] [--seeds N] [--workers N] ...`."""
    parser.add_argument(
        "name",
        choices=(*EXPERIMENTS, "all", "summary", privacy.NAME),
        help="a table of the paper, the curves, all of these, or the claims; or what a stolen bitstream reveals",
    )
    parser.add_argument(
        "--seeds",
        type=positive,
        default=DEFAULT_SEEDS,
        help="repetitions where the table has them (default: %(default)s)",
    )
    parser.add_argument(
        "--steps",
        type=positive,
        help="training steps of every codec (default: 800 for table1, else 400), or of the attack",
    )
    parser.add_argument("--workers", type=positive, default=1, help="codecs trained at a time (default: %(default)s)")
    parser.add_argument(
        "--suite",
        choices=tuple(DEFAULT_OUTPUTS),
        default="nyuv2",
        help="data set and task networks (default: %(default)s)",
    )
    parser.add_argument("--weights", type=Path, help="folder of the published hourglass networks (--suite taskonomy)")
    parser.add_argument(
        "--fit-frames", type=positive, help="at most so many training frames of Taskonomy (default: the paper's 51316)"
    )
    defaults = ", ".join(f"{folder} for {suite}" for suite, folder in DEFAULT_OUTPUTS.items())
    parser.add_argument("--output", type=Path, help=f"folder of the results (default: {defaults})")
    parser.add_argument(
        "--report-only",
        action="store_true",
        help="draw tables and figures again from the results files, without measuring",
    )
    privacy.add_arguments(parser)
    add_common(parser)


def run(arguments: argparse.Namespace) -> int:
    """Run an experiment; stopped at any time, the same command goes on. Returns the exit status."""
    output = arguments.output or DEFAULT_OUTPUTS[arguments.suite]
    if arguments.name == "summary":
        print(summary.table(summary.write_claims(output)))
        return 0
    if arguments.name == privacy.NAME:
        return privacy.run(arguments, output)
    set_threads(arguments.threads)
    names = tuple(EXPERIMENTS) if arguments.name == "all" else (arguments.name,)
    for name in names:
        path = output / f"{name}.json"
        if not arguments.report_only:
            found = {
                "experiment": name,
                "command": _command(arguments, name),
                **EXPERIMENTS[name].collect(_setup(arguments, name)),
            }
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(found, indent=1) + "\n")
        for written in report(name, path):
            print(written)
    return 0


def _setup(arguments: argparse.Namespace, name: str) -> Setup:
    opener = _opener(arguments, EXPERIMENTS[name].needs_unseen)
    suite = opener()
    steps = arguments.steps or EXPERIMENTS[name].steps
    if len(suite.fit) < RunTraining.batch:
        raise DataError(
            f"{len(suite.fit)} training frames are too few: a step takes {RunTraining.batch} different ones"
        )
    setup = Setup(suite, opener, device_of(arguments.device), arguments.seeds, steps, arguments.workers)
    described = setup.described()
    print(f"{name}: {suite.name}, networks {suite.networks_sha256[:12]}, frames {described['frames']}")
    print(f"seeds {described['seeds']}, {steps} steps, {setup.workers} at a time")
    return setup


def _opener(arguments: argparse.Namespace, with_unseen: bool) -> OpenSuite:
    device = device_of(arguments.device)
    if arguments.suite == "taskonomy":
        data, weights = _taskonomy_folders(arguments)
        counts = FrameCounts(fit=arguments.fit_frames) if arguments.fit_frames else FrameCounts()
        return OpenTaskonomy(data, weights, arguments.work, device, with_unseen, counts)
    for option in ("weights", "fit_frames"):
        if getattr(arguments, option) is not None:
            raise DataError(
                f"--{option.replace('_', '-')} is for --suite taskonomy: on NYUv2 the networks and frames are those that "
                "taxon train left in --work"
            )
    return OpenNyuv2(data_folder(arguments), arguments.work, device, with_unseen)


def _taskonomy_folders(arguments: argparse.Namespace) -> tuple[Path, Path]:
    """Return the folders of data (--data or TAXON_DATA) and published networks; raises DataError for one that is not there."""
    if arguments.weights is None or not arguments.weights.is_dir():
        found = "--weights is missing" if arguments.weights is None else f"{arguments.weights} is no folder"
        raise DataError(
            f"{found}: give the folder of the published networks with --weights (docs/taskonomy.md says how to get them)"
        )
    data = arguments.data or Path(os.environ.get("TAXON_DATA", ""))
    if not is_taskonomy(data):
        raise DataError(
            f"{data} has no train_val_test_*.csv: give Taskonomy's folder with --data or TAXON_DATA (docs/taskonomy.md)"
        )
    return data, arguments.weights


def _command(arguments: argparse.Namespace, name: str) -> str:
    """The command that makes this results file, without what only says where things are."""
    words = ["taxon", "experiment", name, "--seeds", str(arguments.seeds)]
    if arguments.steps:
        words += ["--steps", str(arguments.steps)]
    if arguments.suite != "nyuv2":
        words += ["--suite", arguments.suite]
    if arguments.fit_frames:
        words += ["--fit-frames", str(arguments.fit_frames)]
    return " ".join(words)
