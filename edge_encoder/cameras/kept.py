"""The file that keeps, over restarts, what was set at run time: `cameras.json` in the edge's data folder.

    KeptPlans --write--> a new file beside it, on the disk --rename--> cameras.json --read--> the same KeptPlans

Laws: the file is one of the two states at every moment, whatever is killed. It is its owner's alone, since sources hold passwords.
A damaged file is refused and left as it is: without it, what a camera must not send could be forgotten.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from edge_encoder.cameras.plan import CameraPlan, plan_of, table_of
from shared.errors import DiskFull, FolderError, ReleaseMismatch, RequestError

FILE = "cameras.json"
VERSION = 1
_CONTENT = "file of cameras"


@dataclass(frozen=True)
class KeptPlans:
    """What is kept. plans: the cameras that were set at run time. held: cameras of other origins that were paused."""

    plans: Mapping[str, CameraPlan] = field(default_factory=dict)
    held: frozenset[str] = frozenset()


class KeptFile:
    """The file in a data folder, which the caller has locked. Its methods wait for the disk."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / FILE

    def read(self) -> KeptPlans:
        """Return what is kept, nothing where there is no file. Raises FolderError, and its child ReleaseMismatch."""
        try:
            text = self.path.read_bytes()
        except FileNotFoundError:
            return KeptPlans()
        except OSError as error:
            raise FolderError(str(self.path), f"cannot be read ({error.strerror}); allow reading") from error
        try:
            document = json.loads(text)
            if not isinstance(document, dict) or not isinstance(version := document.get("version"), int):
                raise ValueError("it has no version")
            if version != VERSION:
                raise ReleaseMismatch(str(self.path), _CONTENT, version, VERSION)
            return _kept(document)
        except (ValueError, TypeError, AttributeError, KeyError, RequestError) as error:
            raise FolderError(
                str(self.path),
                f"is damaged ({error}); put a copy back, or move it away to begin without the cameras that it keeps",
            ) from error

    def write(self, kept: KeptPlans) -> None:
        """Replace the file. Raises DiskFull, and then nothing has changed."""
        document = {
            "version": VERSION,
            "cameras": {name: table_of(plan) for name, plan in sorted(kept.plans.items())},
            "held": sorted(kept.held),
        }
        data = json.dumps(document, indent=1).encode() + b"\n"
        written = self.path.with_name(f"{FILE}.new")
        try:
            written.unlink(missing_ok=True)
            with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            written.replace(self.path)
            _sync_folder(self.path.parent)
        except OSError as error:
            raise DiskFull(f"the change cannot be kept on the disk ({error.strerror}); nothing was changed") from error


def _kept(document: Mapping[str, Any]) -> KeptPlans:
    """Return what a document keeps; raises one of the errors of a document that is none of ours."""
    plans = {name: plan_of(name, table) for name, table in document["cameras"].items()}
    held = document["held"]
    if not isinstance(held, list) or not all(isinstance(name, str) for name in held):
        raise ValueError("held must be a list of names")
    return KeptPlans(plans, frozenset(held))


def _sync_folder(folder: Path) -> None:
    """Wait until the folder's new entry is on the disk itself."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
