"""The commands, one module each; a module is imported when its command is the one that was asked for."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Command:
    """A command: its line in `taxon --help`, and the module with `add_arguments(parser)` and `run(arguments) -> status`."""

    help: str
    module: str

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        import_module(self.module).add_arguments(parser)

    def run(self, arguments: argparse.Namespace) -> int:
        status: int = import_module(self.module).run(arguments)
        return status


COMMANDS = {
    "run": Command("code pictures, decode them again and draw a contact sheet of each", "taxon.commands.run"),
    "encode": Command("code pictures into bitstreams", "taxon.commands.encode"),
    "decode": Command("decode bitstreams into the tasks' results", "taxon.commands.decode"),
    "inspect": Command("say what a bitstream holds", "taxon.commands.inspect"),
    "evaluate": Command("measure rates and tasks on a labelled data set", "taxon.commands.evaluate"),
    "bundle": Command("check a model bundle", "taxon.commands.bundle"),
    "train": Command("train the networks and the codec (needs the train extra)", "taxon.commands.train"),
    "export": Command("write a model bundle from what was trained (needs the train extra)", "taxon.commands.export"),
}
