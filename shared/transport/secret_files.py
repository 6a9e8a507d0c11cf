"""The state of files that hold secrets: whether they have changed since they were read, and who can read them.

Law: a replaced file, a rewritten one and one behind a moved link (as Kubernetes renews secrets) all count as changed.
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

Stamp = tuple[tuple[int, int, int], ...]
"""The inode, the size in bytes and the time of change in nanoseconds of each file."""


def stamp_of(paths: Sequence[Path]) -> Stamp:
    """Return the stamp of the files as they are now; raises OSError."""
    found = [path.stat() for path in paths]
    return tuple((one.st_ino, one.st_size, one.st_mtime_ns) for one in found)


def exposed(paths: Sequence[Path]) -> tuple[str, ...]:
    """Return a line for each of these files that everybody on this machine can read or change."""
    found: list[str] = []
    for path in paths:
        try:
            mode = path.stat().st_mode
        except OSError:
            continue
        if mode & (stat.S_IROTH | stat.S_IWOTH):
            can = "change" if mode & stat.S_IWOTH else "read"
            found.append(f"{path}: everybody on this machine can {can} it; chmod o= {path}")
    return tuple(found)
