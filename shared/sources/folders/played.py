"""A folder of pictures, or a single one, played file by file.

    FOLDER --in natural order--> files --bytes as they are--> Reading, `fps` a second

With `loop` the folder is listed anew for each round; without, once more at its end, until nothing has come meanwhile.
Laws: the files' bytes are passed on as they are; nothing is decoded here. A file that vanishes is passed over.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from shared.errors import SourceError
from shared.sources.folders.pictures import PICTURE_SUFFIXES, is_picture, natural_key, settled_picture
from shared.sources.playing import Reading, Source


def pictures_of(path: Path) -> list[Path]:
    """Return a folder's pictures in natural order, or the one file; raises SourceError where there are none."""
    if not path.is_dir():
        return [path]
    try:
        found = sorted((file for file in path.iterdir() if is_picture(file.name) and file.is_file()), key=natural_key)
    except OSError as error:
        raise SourceError(str(path), f"cannot be read ({error.strerror})") from error
    if not found:
        raise SourceError(str(path), f"there are no pictures in this folder ({', '.join(PICTURE_SUFFIXES)})")
    return found


class FolderSource(Source):
    """Picture files, one after the other, `fps` a second; with `loop` again and again."""

    def __init__(self, name: str, path: Path, fps: float, loop: bool) -> None:
        super().__init__(name)
        self._path = path
        self._fps = fps
        self._loop = loop
        # Whoever names a folder without pictures is told at once.
        pictures_of(path)

    def read(self) -> Iterator[Reading]:
        """Give the files' bytes; raises SourceError for one that cannot be read."""
        index, before = 0, set[Path]()
        while not self.stopping.is_set():
            files = [file for file in pictures_of(self._path) if self._loop or file not in before]
            begun = index
            for file in files:
                try:
                    content = settled_picture(file, self.stopping)
                except FileNotFoundError:
                    continue
                yield Reading(content, index / self._fps, time.time_ns() // 1000)
                index += 1
            before.update(files)
            if not self._loop and not files:
                return
            if index == begun and self._loop:
                raise SourceError(self.name, "its pictures vanished before they could be read")
