"""The folders that are used when the command line names none: those of the environment, then those shipped with the code."""

from __future__ import annotations

import os
from pathlib import Path

from shared.model.bundle import Bundle
from shared.model.shipped import SHIPPED_BUNDLE
from taxon.errors import InputError


def bundle_directory(given: Path | None) -> Path:
    """Return `--bundle`, else TAXON_BUNDLE, else the bundle that was shipped with this code."""
    if given is not None:
        return given
    named = os.environ.get("TAXON_BUNDLE")
    return Path(named) if named else SHIPPED_BUNDLE


def load_bundle(given: Path | None) -> Bundle:
    """Load that bundle and check every file; raises BundleError, or InputError if none was named and none was shipped."""
    directory = bundle_directory(given)
    if directory == SHIPPED_BUNDLE and not directory.exists():
        raise InputError(f"there is no bundle at {directory}: name one with --bundle or TAXON_BUNDLE")
    return Bundle.load(directory)


def data_folder(given: Path | None) -> Path | None:
    """Return `--data` (a folder, or the name of one in TAXON_DATA), else TAXON_DATA, else None."""
    root = os.environ.get("TAXON_DATA")
    if given is None:
        return Path(root) if root else None
    if root and not given.exists() and (Path(root) / given).is_dir():
        return Path(root) / given
    return given
