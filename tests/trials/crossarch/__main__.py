"""Runs every trial and counts the symbols that differ.

    python -m tests.trials.crossarch [--every 24] [--invented 2] [--table FILE.md] [--folder FOLDER]

Exit status 1 if one symbol differs, a bitstream is refused, a trial did not run as it wanted, or one could not be prepared.
A GPU is used where there is one; elsewhere its trial is skipped, and the summary says so.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from shared.errors import TaxonError
from shared.model.bundle import Bundle
from shared.model.execution_providers import choose_providers
from taxon.defaults import bundle_directory
from tests.trials.crossarch.corpus import write_corpus
from tests.trials.crossarch.machine import Machine
from tests.trials.crossarch.prepare import ROOT, prepare
from tests.trials.crossarch.run import Outcome, Runner, table
from tests.trials.crossarch.trials import decode_trials, encode_trials, gpu_trial


def main() -> int:
    """Print a line for each trial, and one summary line."""
    arguments = _arguments()
    began = time.monotonic()
    try:
        outcomes = run(arguments)
    except TaxonError as error:
        print(f"crossarch: FAIL, not all machines could be tried: {error}")
        return 1
    if arguments.table:
        arguments.table.write_text(table(outcomes))
    failed = [outcome for outcome in outcomes if outcome.failed]
    skipped = [outcome for outcome in outcomes if outcome.skipped]
    reasons = "".join(f" ({outcome.trial.name}: {outcome.skipped})" for outcome in skipped)
    print(
        f"crossarch: {'FAIL' if failed else 'PASS'}, {len(outcomes) - len(skipped)} machines, {len(skipped)} skipped{reasons}, "
        f"{sum(outcome.streams for outcome in outcomes)} bitstreams, {sum(outcome.symbols for outcome in outcomes)} symbols, "
        f"{sum(outcome.wrong for outcome in outcomes)} bitstreams with another symbol, {time.monotonic() - began:.0f} s"
    )
    return int(bool(failed))


def run(arguments: argparse.Namespace) -> list[Outcome]:
    """Run all trials, one after the other; raises TaxonError where one cannot be prepared."""
    prepared = prepare(arguments.folder)
    directory = bundle_directory(arguments.bundle).resolve()
    bundle = Bundle.load(directory)
    pictures = sorted((ROOT / "samples").glob("*/*.jpg"))[:: arguments.every]
    outcomes: list[Outcome] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / "corpus").mkdir()
        corpus = write_corpus(bundle, pictures, arguments.invented, folder / "corpus")
        runner = Runner(bundle, corpus, folder)
        print(
            f"bundle {bundle.id}: {len(corpus.digests)} bitstreams, {corpus.symbols} symbols, {len(pictures)} pictures"
        )
        trials = [*decode_trials(prepared, Machine.here()), *encode_trials(prepared, corpus.images)]
        for trial in trials:
            outcomes.append(runner.run(trial))
            print(outcomes[-1].line, flush=True)
        try:
            choose_providers("cuda", folder / "engines", bundle)
            outcomes.append(runner.run(gpu_trial(corpus.images)))
        except TaxonError as error:
            outcomes.append(Outcome(gpu_trial(corpus.images), None, skipped=str(error).partition(":")[0]))
        print(outcomes[-1].line)
    return outcomes


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, help="directory of a model bundle (default: the one shipped)")
    parser.add_argument("--every", type=int, default=24, help="take every Nth of the shipped pictures")
    parser.add_argument(
        "--invented", type=int, default=2, help="invented latents at each operating point and resolution"
    )
    parser.add_argument(
        "--folder", type=Path, default=ROOT / "out" / "crossarch", help="where fetched packages are kept"
    )
    parser.add_argument("--table", type=Path, help="write the figures as a Markdown table")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
