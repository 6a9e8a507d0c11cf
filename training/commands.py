"""`taxon train` and `taxon export`: arguments and the calls behind them."""

from __future__ import annotations

import argparse
import os
from dataclasses import replace
from pathlib import Path

import torch

from training.datasets import DataError
from training.export.bundle import export_bundle
from training.stages.pipeline import ASIDE, STAGES, TEACHER, Recipe, run

DEFAULT_WORK = Path("work")
NEEDED = ("nyuv2/index.csv", "houses", "imagenet_samples/labels.csv")


def add_train_arguments(parser: argparse.ArgumentParser) -> None:
    """`taxon train [--stage NAME] [--data DIR] [--work DIR] [--device NAME] [--threads N] ...`."""
    parser.add_argument(
        "--stage",
        choices=(*STAGES, *ASIDE),
        default=STAGES[-1],
        help="the last stage to run; earlier ones run first where they are missing; the teacher and its answers stand aside",
    )
    for stage, steps in _steps(Recipe()).items():
        parser.add_argument(
            f"--{stage}-steps",
            type=positive,
            metavar="N",
            default=steps,
            help=f"steps of the stage {stage} (default: %(default)s)",
        )
    add_common(parser)


def run_train(arguments: argparse.Namespace) -> int:
    """Train; stopped at any time, the same command goes on."""
    set_threads(arguments.threads)
    recipe = Recipe()
    wanted = {
        stage: replace(getattr(recipe, stage), steps=getattr(arguments, f"{stage}_steps")) for stage in _steps(recipe)
    }
    run(data_folder(arguments), arguments.work, arguments.stage, replace(recipe, **wanted), device_of(arguments.device))
    return 0


def _steps(recipe: Recipe) -> dict[str, int]:
    return {stage: getattr(recipe, stage).steps for stage in ("tasks", "codec", "joint", TEACHER)}


def positive(text: str) -> int:
    """A whole number of at least 1, for argparse."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def add_export_arguments(parser: argparse.ArgumentParser) -> None:
    """`taxon export -o DIR [--semantic codec|joint] [--geometry codec|joint] [--default-rate N] ...`."""
    parser.add_argument(
        "-o", "--output", type=Path, required=True, help="folder of the new bundle, <name>/<version>; must not exist"
    )
    for group in ("semantic", "geometry"):
        parser.add_argument(
            f"--{group}",
            choices=("codec", "joint"),
            default="joint",
            help=f"the stage that the {group} group's networks are taken from (default: %(default)s)",
        )
    parser.add_argument("--default-rate", type=int, default=2, help="the default operating point")
    parser.add_argument("--card", type=Path, help="a MODEL_CARD.md to ship in the bundle")
    parser.add_argument(
        "--measured", type=Path, help="report of taxon evaluate on a bundle of the same networks, kept in the manifest"
    )
    add_common(parser)


def run_export(arguments: argparse.Namespace) -> int:
    """Write a bundle from the work folder."""
    set_threads(arguments.threads)
    digest = export_bundle(
        arguments.work,
        arguments.output,
        {"semantic": arguments.semantic, "geometry": arguments.geometry},
        arguments.default_rate,
        arguments.card,
        arguments.measured,
    )
    print(f"{arguments.output}: digest {digest.hex()}")
    return 0


def add_common(parser: argparse.ArgumentParser) -> None:
    """`--data`, `--work`, `--device` and `--threads`."""
    parser.add_argument(
        "--data", type=Path, help="folder with nyuv2/, houses/, imagenet_samples/ and teachers/ (default: TAXON_DATA)"
    )
    parser.add_argument(
        "--work", type=Path, default=DEFAULT_WORK, help="folder for what training keeps (default: %(default)s)"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ... (default: %(default)s)")
    parser.add_argument(
        "--threads", type=int, default=0, help="threads of torch's operators (default: torch's own choice)"
    )


def data_folder(arguments: argparse.Namespace) -> Path:
    """The data folder of `--data` or TAXON_DATA; raises DataError where something in it is missing."""
    data = arguments.data or Path(os.environ.get("TAXON_DATA", ""))
    for needed in NEEDED:
        if not (data / needed).exists():
            raise DataError(f"{data} has no {needed}: give the data folder with --data or TAXON_DATA")
    return Path(data)


def device_of(name: str) -> str:
    """torch's name of the device; `auto` is a GPU where there is one."""
    if name != "auto":
        return name
    return "cuda" if torch.cuda.is_available() else "cpu"


def set_threads(threads: int) -> None:
    """Set how many threads torch's operators use; 0 leaves the choice to torch."""
    # The smallest gradients of clipped activations are denormal numbers, which CPUs compute many times slower.
    torch.set_flush_denormal(True)
    if threads:
        torch.set_num_threads(threads)
