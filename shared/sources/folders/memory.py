"""What of a watched folder was given, over restarts.

    file (path, size, time of change) --hash--> 8 bytes --append--> a text file, a line each

Laws: only files that are still there are remembered, so that it does not grow beyond them. A line that a crash has torn
is left out. A memory that cannot be written costs a warning, and no frame.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from shared.sources.folders.pictures import FileState
from shared.telemetry.logs import logger

log = logger("sources.watched")

DIGITS = 16
SPARE_LINES = 1000


def mark_of(name: str, state: FileState) -> int:
    """Return the number by which a file is known in this state; one that is written to again has another."""
    text = f"{name}\0{state.size_bytes}\0{state.changed_ns}"
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "surrogateescape"), digest_size=8).digest(), "big")


class GivenFiles:
    """The marks of the files that were given. path: where they are kept; None for no longer than this process.

    `take` may be called in another thread than the rest.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._under_way: set[int] = set()
        self._given = set(_lines_of(path))
        self._unwritten: list[int] = []
        self._lines = len(self._given)
        self._is_warned = False

    def __contains__(self, mark: int) -> bool:
        with self._lock:
            return mark in self._given or mark in self._under_way

    def hand_over(self, mark: int) -> None:
        """Note a file that is on its way to whoever takes the frames."""
        with self._lock:
            self._under_way.add(mark)

    def take(self, mark: int) -> None:
        """Note a file whose frame was taken."""
        with self._lock:
            self._under_way.discard(mark)
            self._given.add(mark)
            self._unwritten.append(mark)

    def keep_only(self, present: set[int]) -> None:
        """Forget all files but these, and write what is new."""
        with self._lock:
            self._given &= present
            wanted, unwritten, self._unwritten = sorted(self._given), self._unwritten, []
        self._lines += len(unwritten)
        if self._lines > 2 * len(wanted) + SPARE_LINES:
            self._write(wanted, anew=True)
            self._lines = len(wanted)
        elif unwritten:
            self._write(unwritten, anew=False)

    def write(self) -> None:
        """Write what is new."""
        with self._lock:
            unwritten, self._unwritten = self._unwritten, []
        self._lines += len(unwritten)
        if unwritten:
            self._write(unwritten, anew=False)

    def _write(self, marks: Iterable[int], anew: bool) -> None:
        if self._path is None:
            return
        text = "".join(f"{mark:0{DIGITS}x}\n" for mark in marks)
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if anew:
                fresh = self._path.with_name(self._path.name + ".new")
                fresh.write_text(text)
                fresh.replace(self._path)
            else:
                with self._path.open("a") as file:
                    file.write(text)
        except OSError as error:
            if not self._is_warned:
                self._is_warned = True
                log.warning(
                    "what was given of a watched folder is not kept; after a restart it is given again",
                    path=str(self._path),
                    reason=error.strerror,
                )


def _lines_of(path: Path | None) -> Iterable[int]:
    if path is None:
        return []
    try:
        lines = path.read_text(errors="replace").split("\n")
    except OSError:
        return []
    found = []
    for line in lines:
        with suppress(ValueError):
            if len(line) == DIGITS:
                found.append(int(line, 16))
    return found
