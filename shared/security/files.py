"""Whether files have changed since they were read.

Law: a replaced file, a rewritten one and one behind a moved link (as Kubernetes renews secrets) all count as changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

Stamp = tuple[tuple[int, int, int], ...]
"""Of each file its inode, its size in bytes and its time of change in nanoseconds."""


def stamp_of(paths: Sequence[Path]) -> Stamp:
    """As the files are now; raises OSError."""
    found = [path.stat() for path in paths]
    return tuple((one.st_ino, one.st_size, one.st_mtime_ns) for one in found)
