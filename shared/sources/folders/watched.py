"""A folder that a camera fills, by FTP for example: each picture that comes is one frame, once.

    watch:FOLDER --look, sub-folders too--> files that are new and whole --in natural order--> Reading

What is there at the start and was not given before is given first. A file is known by its path, size and time of
change, so one that the camera overwrites is a new frame. Its capture time is the time of its last change.
Laws: nothing is given twice, also over a restart where `memory` is kept. A file that is still written is waited for,
and holds up those behind it for HOLD_SECONDS at most. `fps` is a pace: no file is left out for it.
"""

from __future__ import annotations

import heapq
import math
import os
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePath

from shared.errors import SourceError, SourceRefused
from shared.sources.folders.memory import GivenFiles, mark_of
from shared.sources.folders.pictures import SETTLE_SECONDS, FileState, is_picture, natural_key, read_picture
from shared.sources.playing import Reading, Source
from shared.telemetry.logs import Throttle, logger

log = logger("sources.watched")

LOOK_SECONDS = 0.5
LOOK_SHARE = 0.05
"""The share of the time that may go into looking, where a folder has so many files that a look takes long."""
HOLD_SECONDS = 3.0
DEEPEST = 8
MOST_FILES = 500_000
MOST_AT_ONCE = 10_000
LOG_SECONDS = 60.0


@dataclass(frozen=True)
class FoundFile:
    """A picture file of a look. name: its path below the folder."""

    name: str
    state: FileState
    mark: int


class WatchedFolder(Source):
    """The pictures that come into a folder. fps: the most that are given in a second.

    memory: the file that remembers over restarts what was given; None for none.
    """

    is_live = True

    def __init__(self, name: str, folder: Path, fps: float, memory: Path | None) -> None:
        super().__init__(name)
        if not folder.is_dir():
            raise SourceError(name, "is not there; name the folder that the camera fills")
        self._folder = folder
        self._step_seconds = 1.0 / fps
        self._given = GivenFiles(memory)
        self._unsettled: dict[str, tuple[FileState, float, float]] = {}
        self._due_seconds = -math.inf
        self._throttle = Throttle(LOG_SECONDS)

    def read(self) -> Iterator[Reading]:
        """Give what is new until the source is stopped; raises SourceError where the folder cannot be read."""
        # A camera that sends when something moves may be silent for days.
        self.status.expect(math.inf)
        try:
            while not self.stopping.is_set():
                begun = time.monotonic()
                found = self._look()
                look_seconds = time.monotonic() - begun
                yield from self._new_pictures(found)
                if len(found) < MOST_AT_ONCE:
                    self.stopping.wait(max(LOOK_SECONDS, look_seconds / LOOK_SHARE))
        finally:
            self._given.write()

    def _new_pictures(self, files: list[FoundFile]) -> Iterator[Reading]:
        self._unsettled = {file.name: self._unsettled[file.name] for file in files if file.name in self._unsettled}
        for file in files:
            content = self._settled(file)
            if content is None:
                if self._holds_up(file):
                    return
                continue
            self._due_seconds = max(time.monotonic(), self._due_seconds + self._step_seconds)
            self._given.hand_over(file.mark)
            yield Reading(
                content,
                self._due_seconds,
                time.time_ns() // 1000,
                captured_us=min(file.state.changed_ns, time.time_ns()) // 1000,
                taken=partial(self._given.take, file.mark),
            )
            self._given.write()
            if self.stopping.is_set():
                return

    def _settled(self, file: FoundFile) -> bytes | None:
        """Return the content of a file that is whole; None for another, and for one that has vanished."""
        try:
            picture = read_picture(self._folder / file.name)
        except FileNotFoundError:
            self._unsettled.pop(file.name, None)
            return None
        except SourceError as error:
            self._cannot_be_read(file, error)
            return None
        if picture.state == file.state and (picture.is_whole or self._has_rested(file)):
            self._unsettled.pop(file.name, None)
            return picture.content
        return None

    def _has_rested(self, file: FoundFile) -> bool:
        """Return True where nothing was written to a file for long enough. An empty one is still to be filled."""
        now = time.monotonic()
        state, since, begun = self._unsettled.get(file.name, (file.state, now, now))
        since = since if state == file.state else now
        self._unsettled[file.name] = (file.state, since, begun)
        rested = max(now - since, file.state.age_seconds)
        return file.state.size_bytes > 0 and rested >= SETTLE_SECONDS

    def _holds_up(self, file: FoundFile) -> bool:
        """Return True where the files behind this one wait for it, so that they come in their order."""
        unsettled = self._unsettled.get(file.name)
        return unsettled is not None and time.monotonic() - unsettled[2] < HOLD_SECONDS

    def _cannot_be_read(self, file: FoundFile, error: SourceError) -> None:
        """Count a file that cannot be read, once; the others go on."""
        self._given.take(file.mark)
        self.status.damaged()
        if self._throttle.due():
            log.warning("a file of a watched folder cannot be read", source=self.name, reason=str(error))

    def _look(self) -> list[FoundFile]:
        """Return the files that were not given yet, in natural order, and forget those that are gone."""
        present: set[int] = set()
        new: list[FoundFile] = []
        for file in self._files():
            present.add(file.mark)
            if file.mark not in self._given:
                new.append(file)
            if len(present) > MOST_FILES:
                raise SourceRefused(
                    self.name, f"holds more than {MOST_FILES} pictures; let the camera or a timer delete old ones"
                )
        self._given.keep_only(present)
        # The rest is found again by the next look.
        return heapq.nsmallest(MOST_AT_ONCE, new, key=lambda file: natural_key(PurePath(file.name)))

    def _files(self) -> Iterator[FoundFile]:
        folders = [("", 0)]
        while folders:
            folder, depth = folders.pop()
            try:
                entries = list(os.scandir(self._folder / folder))
            except OSError as error:
                if not folder:
                    raise SourceError(self.name, f"cannot be read ({error.strerror})") from error
                if not isinstance(error, FileNotFoundError) and self._throttle.due():
                    log.warning("a sub-folder cannot be read", source=self.name, path=folder, reason=error.strerror)
                continue
            for entry in entries:
                name = os.path.join(folder, entry.name)  # noqa: PTH118 - a path object for each of many files is slow
                if entry.is_dir(follow_symlinks=False):
                    if depth < DEEPEST and not entry.name.startswith("."):
                        folders.append((name, depth + 1))
                elif is_picture(entry.name):
                    with suppress(OSError):
                        found = entry.stat()
                        if stat.S_ISREG(found.st_mode):
                            state = FileState(found.st_size, found.st_mtime_ns)
                            yield FoundFile(name, state, mark_of(name, state))
