"""The seam between an installation without torch and the commands that need it."""

from __future__ import annotations

from importlib import import_module
from types import ModuleType

from taxon.errors import MissingExtra

OWN = ("shared", "edge_encoder", "cloud_analytics", "taxon")


def training_commands(command: str) -> ModuleType:
    """`training.commands`; raises MissingExtra, naming the package, where one of the train extra's is not installed."""
    try:
        return import_module("training.commands")
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] in OWN:
            raise
        raise MissingExtra(command, "train", error.name) from error
