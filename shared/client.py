"""The former address of the clients, which are in `taxon` now; it goes in the next release.

Law: every name here is the very object of `taxon`, and using it warns.
"""

from __future__ import annotations

import warnings
from importlib import import_module
from typing import Any


def __getattr__(name: str) -> Any:
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    # By name, because nothing else in this package may know of `taxon`.
    found = getattr(import_module("taxon"), name)
    warnings.warn(f"import {name} from taxon; shared.client goes in the next release", DeprecationWarning, stacklevel=2)
    return found
