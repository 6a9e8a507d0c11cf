"""`taxon train`: the options and the work are `training.commands`, which needs torch."""

from __future__ import annotations

import argparse

from taxon.commands.extra import training_commands


def add_arguments(parser: argparse.ArgumentParser) -> None:
    training_commands("train").add_train_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    return int(training_commands("train").run_train(arguments) or 0)
