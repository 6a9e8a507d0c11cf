"""`taxon export`: the options and the work are `training.commands`, which needs torch."""

from __future__ import annotations

import argparse

from taxon.commands.extra import training_commands


def add_arguments(parser: argparse.ArgumentParser) -> None:
    training_commands("export").add_export_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    return int(training_commands("export").run_export(arguments) or 0)
