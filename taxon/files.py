"""Reads and writes whole files.

    a file --read_bytes, up to a limit--> bytes
    {path: bytes} --write beside the target--> temporary files --rename, one by one--> the files

Law: of one input's files all are written or none, and never half of one.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from taxon.errors import InputError, OutputError, UsageError

LARGEST_PICTURE_BYTES = 256 << 20
LARGEST_BITSTREAM_BYTES = 16 << 20
"""Far more than the format's groups can hold in practice, and little enough to be read at once."""


def read_bytes(path: Path, limit_bytes: int) -> bytes:
    """Return a file's bytes; raises InputError if it cannot be read, or is longer than the limit or without an end."""
    try:
        with path.open("rb") as file:
            data = file.read(limit_bytes + 1)
    except OSError as error:
        raise InputError(error.strerror or str(error)) from error
    if len(data) > limit_bytes:
        raise InputError(f"the file has more than {limit_bytes >> 20} MiB; refused")
    return data


def write_all(files: Mapping[Path, bytes]) -> None:
    """Write every file or none: nothing is renamed into place before all bytes are on the disk."""
    staged: list[tuple[Path, Path]] = []
    try:
        for path, content in files.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            staged.append((_stage(path, content), path))
        while staged:
            temporary, path = staged[0]
            temporary.replace(path)
            staged.pop(0)
    except OSError as error:
        raise OutputError(f"cannot write {error.filename or path}: {error.strerror or error}") from error
    finally:
        for temporary, _ in staged:
            temporary.unlink(missing_ok=True)


def require_writable(path: Path) -> None:
    """Raise OutputError if a file cannot be written there. Ask before the work whose result it will hold."""
    folder = next(parent for parent in path.absolute().parents if parent.exists())
    if path.is_dir() or not folder.is_dir() or not os.access(folder, os.W_OK):
        raise OutputError(
            f"cannot write {path}: {'it is a folder' if path.is_dir() else f'{folder} cannot be written to'}"
        )


def _stage(path: Path, content: bytes) -> Path:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        # mkstemp makes files for their owner alone; a result is for whoever the umask lets read.
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary


_NAMINGS: tuple[Callable[[Path], str], ...] = (
    lambda path: path.stem,
    lambda path: path.name,
    lambda path: f"{path.absolute().parent.name}_{path.stem}",
    lambda path: f"{path.absolute().parent.name}_{path.name}",
)


def output_names(inputs: Sequence[Path]) -> list[str]:
    """Return a name for each input's outputs: its stem, or more of its path where inputs share a stem."""
    for naming in _NAMINGS:
        names = [naming(path) for path in inputs]
        if len(set(names)) == len(names):
            return names
    (name, count), *_ = Counter(names).most_common(1)
    raise UsageError(f"{count} inputs would all be written as {name}: give them to separate commands")
