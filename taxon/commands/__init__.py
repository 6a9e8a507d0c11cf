"""The table of commands. A module is imported only when its command was asked for."""

from __future__ import annotations

import argparse
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from taxon.errors import MissingExtra, NeedsCheckout

INSTALLED_PACKAGES = ("shared", "edge_encoder", "cloud_analytics", "taxon")
CHECKOUT_PACKAGES = ("training", "experiments")
"""Packages of this project that the wheel leaves out."""
SERVICES = "taxon.commands.services"


@dataclass(frozen=True)
class Command:
    """A command.

    help: its line in `taxon --help`. extra: the extra that it needs beside the base install.
    module: the module of its two functions, which are called `add_arguments` and `run` unless they are named otherwise.
    takes_argv: True for a service, whose settings read the command line by themselves.
    """

    name: str
    help: str
    module: str
    extra: str = "cpu"
    add_arguments_name: str = "add_arguments"
    run_name: str = "run"
    takes_argv: bool = False

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Add the options; raises MissingExtra or NeedsCheckout where the code or its packages are not installed."""
        with self._missing_named():
            self._function(self.add_arguments_name)(parser)

    def run(self, arguments: argparse.Namespace | Sequence[str]) -> int:
        """Run the command and return its exit status; raises as `add_arguments` does.

        arguments: parsed; or, for a command that takes argv, the words after its name.
        """
        with self._missing_named():
            return int(self._function(self.run_name)(arguments) or 0)

    def _function(self, name: str) -> Any:
        with warnings.catch_warnings():
            # Packages of the train extra warn one another of deprecations; nobody at a prompt can act on them.
            warnings.simplefilter("ignore", FutureWarning)
            return getattr(import_module(self.module), name)

    @contextmanager
    def _missing_named(self) -> Iterator[None]:
        """Turn a module that is not installed into an error that says what to install."""
        try:
            yield
        except ModuleNotFoundError as error:
            # Only a whole package may be absent; a module that is missing inside one is a fault of ours.
            if error.name in CHECKOUT_PACKAGES:
                raise NeedsCheckout(self.name) from error
            if (error.name or "").split(".")[0] in INSTALLED_PACKAGES + CHECKOUT_PACKAGES:
                raise
            raise MissingExtra(self.name, self.extra, error.name) from error


_COMMANDS = (
    Command("demo", "cameras, edge, cloud and a live table, all on this machine", "taxon.commands.demo"),
    Command("edge", "run the edge service", SERVICES, "edge", run_name="run_edge", takes_argv=True),
    Command("cloud", "run the cloud service", SERVICES, "cloud", run_name="run_cloud", takes_argv=True),
    Command("camera", "play a folder, video or webcam to an edge", "taxon.commands.camera", "service"),
    Command(
        "cameras",
        "list, add, change, pause and remove the cameras of a running edge",
        "taxon.commands.cameras",
        "service",
    ),
    Command("watch", "subscribe to results: a live table, or files", "taxon.commands.watch", "service"),
    Command(
        "token", "make a token for a camera, subscriber or edge, and its line of a token file", "taxon.commands.token"
    ),
    Command("run", "code pictures, decode them again and draw a contact sheet of each", "taxon.commands.run"),
    Command("encode", "code pictures into bitstreams", "taxon.commands.encode"),
    Command("decode", "decode bitstreams into the tasks' results", "taxon.commands.decode"),
    Command("inspect", "say what a bitstream holds", "taxon.commands.inspect"),
    Command("evaluate", "measure rates and tasks on a labelled data set", "taxon.commands.evaluate"),
    Command("bundle", "check a model bundle", "taxon.commands.bundle"),
    Command(
        "train",
        "train the networks and the codec (needs the train extra)",
        "training.commands",
        "train",
        "add_train_arguments",
        "run_train",
    ),
    Command(
        "export",
        "write a model bundle from what was trained (needs the train extra)",
        "training.commands",
        "train",
        "add_export_arguments",
        "run_export",
    ),
    Command(
        "experiment",
        "run one of the paper's experiments again (needs the train extra)",
        "experiments.commands",
        "train",
    ),
)
COMMANDS = {command.name: command for command in _COMMANDS}
