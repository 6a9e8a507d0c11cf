"""`taxon experiment privacy`: its arguments, results file and report, and one line that says whether the law holds.

--data, --bundle, --work --> PrivacySetup --collect--> privacy.json --report--> privacy.md, figures --broken_laws--> exit status
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from experiments.privacy.attack import AttackTraining
from experiments.privacy.experiment import broken_laws, collect
from experiments.privacy.pictures import sources_of
from experiments.privacy.sheet import write_sheets
from experiments.privacy.steal import PrivacySetup, open_stolen
from experiments.report.results import report
from experiments.summary import read_results
from shared.model.bundle import Bundle
from training.commands import data_folder, device_of, set_threads
from training.datasets.frame import DataError

NAME = "privacy"
DEFAULT_BUNDLE, DEFAULT_SAMPLES = Path("models/indoor/2"), Path("samples")
DEFAULT_STEPS = 2400
BROKEN = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`--bundle` and `--samples`, which only this experiment reads."""
    parser.add_argument(
        "--bundle", type=Path, default=DEFAULT_BUNDLE, help="privacy: the public bundle (default: %(default)s)"
    )
    parser.add_argument(
        "--samples",
        type=Path,
        default=DEFAULT_SAMPLES,
        help="privacy: pictures that may be shown, <room>/<number>.jpg (default: %(default)s)",
    )


def run(arguments: argparse.Namespace, output: Path) -> int:
    """Steal, train, judge and report; stopped at any time, the same command goes on. Returns the exit status: 1 where the law is broken.

    output: the results' folder. Raises DataError for another suite than nyuv2.
    """
    if arguments.suite != "nyuv2":
        raise DataError(f"{NAME} is about the released bundle, on NYUv2: leave --suite {arguments.suite} out")
    set_threads(arguments.threads)
    path = output / f"{NAME}.json"
    bundle = Bundle.load(arguments.bundle)
    if not arguments.report_only:
        setup = setup_of(arguments, bundle)
        stolen = open_stolen(setup)
        # the command that makes the file again, without options that only name folders
        command = f"taxon experiment {NAME}" + (f" --steps {arguments.steps}" if arguments.steps else "")
        found = {"experiment": NAME, "command": command, **collect(setup, stolen)}
        output.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(found, indent=1) + "\n")
        for written in write_sheets(stolen, output, setup.folder):
            print(written)
    for written in report(NAME, path):
        print(written)
    return conclude(read_results(output, NAME), bundle)


def setup_of(arguments: argparse.Namespace, bundle: Bundle) -> PrivacySetup:
    """Return the setup that the arguments ask for; raises DataError for data or samples that are not there."""
    sources = sources_of(data_folder(arguments), arguments.samples)
    if not sources["samples"]:
        raise DataError(f"{arguments.samples} has no <room>/<number>.jpg: give the shipped samples with --samples")
    folder = arguments.work / "experiments" / f"{NAME}-{bundle.digest.hex()[:12]}"
    training = AttackTraining(steps=arguments.steps or DEFAULT_STEPS)
    return PrivacySetup(arguments.bundle, sources, folder, training, device_of(arguments.device), arguments.workers)


def conclude(found: dict[str, Any], bundle: Bundle) -> int:
    """Print what is broken, and one line; returns the exit status."""
    broken = broken_laws(found, bundle)
    for one in broken:
        print(f"broken: {one}")
    test = found["splits"]["test"]
    point = next(p for p in test["points"] if p["rate"] == bundle.manifest.default_rate)
    print(
        f"privacy: {'BROKEN' if broken else 'ok'}; {bundle.id}, {found['frames']['test']} test frames; from {point['bytes']:.0f} bytes "
        f"({point['operating_point']}) the attack shows {point['attack']['psnr_db']:.2f} dB and SSIM {point['attack']['ssim']:.3f}; "
        f"no bits {test['no_bits']['psnr_db']:.2f} dB and {test['no_bits']['ssim']:.3f}, "
        f"another frame's {point['another']['psnr_db']:.2f} dB and {point['another']['ssim']:.3f}"
    )
    return BROKEN if broken else 0
