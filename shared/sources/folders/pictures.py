"""Picture files: which names are pictures, in which order, and whether a file is whole.

Laws: frame2 stands before frame10. A file that is still being written is not taken: it is whole where its format says
so, or where nothing was written to it for SETTLE_SECONDS.
"""

from __future__ import annotations

import re
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from shared.errors import SourceError

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".avif")
LARGEST_PICTURE_BYTES = 256 << 20
SETTLE_SECONDS = 3.0
LOOK_SECONDS = 0.1
LONGEST_WAIT_SECONDS = 30.0
_END_BYTES = 1024
_PADDING = b"\0\r\n \t"

NaturalKey = tuple[tuple[tuple[int | str, ...], str], ...]


def is_picture(name: str) -> bool:
    """Return True for the name of a picture file. Hidden names are those of uploads that are under way."""
    return name.lower().endswith(PICTURE_SUFFIXES) and not name.startswith(".")


def natural_key(path: PurePath) -> NaturalKey:
    """Return what puts paths into natural order: folder by folder, with numbers as numbers."""
    return tuple((_numbered(part), part) for part in path.parts)


def _numbered(name: str) -> tuple[int | str, ...]:
    parts = re.split(r"([0-9]+)", name)
    return tuple(int(part) if index % 2 else part.casefold() for index, part in enumerate(parts))


@dataclass(frozen=True)
class FileState:
    """What changes when a file is written to."""

    size_bytes: int
    changed_ns: int

    @classmethod
    def of(cls, path: Path) -> FileState:
        """Return a file's state; raises OSError."""
        found = path.stat()
        return cls(found.st_size, found.st_mtime_ns)

    @property
    def age_seconds(self) -> float:
        """The time since something was written to it, by the clock on the wall; negative for a time to come."""
        return (time.time_ns() - self.changed_ns) / 1e9


@dataclass(frozen=True, eq=False)
class ReadPicture:
    """A picture file as it was read. is_whole: whether its format says that nothing is missing at its end."""

    content: bytes = field(repr=False)
    state: FileState
    is_whole: bool


def read_picture(path: Path) -> ReadPicture:
    """Return a file's content; raises FileNotFoundError, and SourceError for another that cannot be read."""
    try:
        with path.open("rb") as file:
            content = file.read(LARGEST_PICTURE_BYTES + 1)
        state = FileState.of(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise SourceError(str(path), f"cannot be read ({error.strerror})") from error
    if len(content) > LARGEST_PICTURE_BYTES:
        raise SourceError(str(path), f"has more than {LARGEST_PICTURE_BYTES >> 20} MiB; scale the picture down")
    return ReadPicture(content, state, state.size_bytes == len(content) and has_its_end(content))


def has_its_end(content: bytes) -> bool:
    """Return True where the format of these bytes says that they are all. False says nothing."""
    end = content[-_END_BYTES:]
    if content.startswith(b"\xff\xd8"):
        return end.rstrip(_PADDING).endswith(b"\xff\xd9")
    if content.startswith(b"\x89PNG"):
        return b"IEND\xaeB`\x82" in end
    if content.startswith(b"RIFF"):
        return len(content) >= 12 and len(content) >= 8 + int.from_bytes(content[4:8], "little")
    return False


def settled_picture(path: Path, stopping: threading.Event) -> bytes:
    """Return a file's content, after a wait where it is still being written; raises FileNotFoundError, SourceError."""
    begun = changed = time.monotonic()
    last = None
    while True:
        found = read_picture(path)
        now = time.monotonic()
        changed = changed if found.state == last or last is None else now
        last = found.state
        is_settled = found.is_whole or found.state.age_seconds >= SETTLE_SECONDS or now - changed >= SETTLE_SECONDS
        if is_settled or now - begun >= LONGEST_WAIT_SECONDS or stopping.wait(LOOK_SECONDS):
            return found.content
