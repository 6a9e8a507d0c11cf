"""Named pipes as recordings: what another program writes is read once, at the rate of its time stamps.

    ffmpeg ... -f matroska PIPE --bytes--> PipeReader --> PyAV

A pipe is no live source: a writer that is faster than its own time stamps waits, and nothing of it is lost.
Law: reading ends with the source. A pipe that nobody has opened for writing holds no thread.
"""

from __future__ import annotations

import os
import select
import stat
import threading
from pathlib import Path
from types import TracebackType

LOOK_SECONDS = 0.2


def is_pipe(path: Path) -> bool:
    """Return True for a named pipe."""
    try:
        return stat.S_ISFIFO(path.stat().st_mode)
    except OSError:
        return False


class PipeReader:
    """A pipe that PyAV reads from. It waits for a first writer, and ends with the last one."""

    def __init__(self, path: str, stopping: threading.Event) -> None:
        self._stopping = stopping
        # Opened otherwise, it would block until somebody writes, whatever becomes of the source.
        self._pipe = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self._has_begun = False

    def read(self, size: int) -> bytes:
        """Return the next bytes, none at the end."""
        while not self._stopping.is_set():
            if not select.select([self._pipe], [], [], LOOK_SECONDS)[0]:
                continue
            try:
                found = os.read(self._pipe, size)
            except BlockingIOError:
                continue
            if found or self._has_begun:
                self._has_begun = True
                return found
            # Nobody has the pipe open for writing yet; it is readable, and empty.
            self._stopping.wait(LOOK_SECONDS)
        return b""

    def __enter__(self) -> PipeReader:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        os.close(self._pipe)
