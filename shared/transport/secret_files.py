"""Whether files have changed since they were read.

Law: a replaced file, a rewritten one and one behind a moved link (as Kubernetes renews secrets) all count as changed.
(Also told here: which files others on this machine can read or change who should not.)
"""

from __future__ import annotations

import stat
from collections.abc import Sequence
from pathlib import Path

Stamp = tuple[tuple[int, int, int], ...]
"""Of each file its inode, its size in bytes and its time of change in nanoseconds."""


def stamp_of(paths: Sequence[Path]) -> Stamp:
    """As the files are now; raises OSError."""
    found = [path.stat() for path in paths]
    return tuple((one.st_ino, one.st_size, one.st_mtime_ns) for one in found)


def exposed(paths: Sequence[Path]) -> tuple[str, ...]:
    """A line for each of these files that everybody on this machine can read or change; those that there are not have none."""
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
