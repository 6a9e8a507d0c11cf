"""Folders of pictures, and single pictures, played file by file.

    FOLDER --by name--> files --bytes as they are--> Reading, `fps` a second

Law: the files' bytes are passed on as they are; nothing is decoded here.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from shared.errors import SourceError
from shared.sources.playing import Reading, Source

PICTURE_SUFFIXES = (".jpg", ".jpeg", ".png", ".webp")
LARGEST_PICTURE_BYTES = 256 << 20


def is_picture(path: Path) -> bool:
    """Return True where the name is that of a picture."""
    return path.suffix.lower() in PICTURE_SUFFIXES


def pictures_of(path: Path) -> list[Path]:
    """Return the picture files of a folder by name, or the one file; raises SourceError where there are none."""
    if not path.is_dir():
        return [path]
    try:
        found = sorted(file for file in path.iterdir() if is_picture(file) and file.is_file())
    except OSError as error:
        raise SourceError(str(path), f"cannot be read ({error.strerror})") from error
    if not found:
        raise SourceError(str(path), f"there are no pictures in this folder ({', '.join(PICTURE_SUFFIXES)})")
    return found


class FolderSource(Source):
    """Picture files, one after the other, `fps` a second; with `loop` again and again."""

    def __init__(self, name: str, files: Sequence[Path], fps: float, loop: bool) -> None:
        super().__init__(name)
        self._files = tuple(files)
        self._fps = fps
        self._loop = loop

    def read(self) -> Iterator[Reading]:
        """Give the files' bytes; raises SourceError for one that cannot be read."""
        files = itertools.cycle(self._files) if self._loop else iter(self._files)
        for index, file in enumerate(files):
            yield Reading(_content(file), index / self._fps, time.time_ns() // 1000)


def _content(file: Path) -> bytes:
    try:
        if file.stat().st_size > LARGEST_PICTURE_BYTES:
            raise SourceError(str(file), f"has more than {LARGEST_PICTURE_BYTES >> 20} MiB; scale the picture down")
        return file.read_bytes()
    except OSError as error:
        raise SourceError(str(file), f"cannot be read ({error.strerror})") from error
