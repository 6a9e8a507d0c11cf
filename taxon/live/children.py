"""The demo's processes. Each has a log file; they are watched, and always stopped.

    the demo --starts--> `python -m taxon.live.children` --is bound to the demo, becomes--> `taxon ...` --stderr--> <folder>/<name>.log

Law: no child outlives the demo, even when the demo itself is killed. The child binds itself: the demo has threads of gRPC, and
Python code between its fork and exec would run among their locks.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn, Self

from taxon.errors import CommandError

TAIL_LINES = 12
STOP_SECONDS = 15.0
LONGEST_LINE_BYTES = 1 << 20
PR_SET_PDEATHSIG = 1
"""Of prctl(2): the signal that the kernel sends when the parent has gone. It stays set through exec."""


class ChildDied(CommandError):  # noqa: N818 - named after what happened
    """A process of the demo ended by itself."""


class Children:
    """The child processes, in the order of their start. Leaving the context stops them in the opposite order."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, asyncio.subprocess.Process] = {}
        self._died: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._watching: dict[str, asyncio.Task[None]] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None and issubclass(kind, asyncio.CancelledError):
            # The demo was told twice to end: its children are not drained.
            self._kill_all()
        try:
            for name in reversed(self._running):
                await self.stop(name)
        finally:
            self._kill_all()

    def log(self, name: str) -> Path:
        """Return the path of a child's log."""
        return self._folder / f"{name}.log"

    async def start(
        self, name: str, arguments: Sequence[str], ends_by_itself: bool = False
    ) -> asyncio.subprocess.Process:
        """Start `taxon` with these arguments.

        ends_by_itself: True for a process whose end is no failure; its stdout is a pipe, and not in the log.
        """
        with self.log(name).open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "taxon.live.children",
                str(os.getpid()),
                *arguments,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE if ends_by_itself else log,
                stderr=log,
                limit=LONGEST_LINE_BYTES,
                # Ctrl-C is for the demo; it stops its children in their order.
                start_new_session=True,
            )
        self._running[name] = process
        if not ends_by_itself:
            self._watch(name, process)
        return process

    def _watch(self, name: str, process: asyncio.subprocess.Process) -> None:
        async def wait() -> None:
            status = await process.wait()
            if not self._died.done():
                self._died.set_result(self.obituary(name, status))

        self._watching[name] = asyncio.create_task(wait())

    def obituary(self, name: str, status: int) -> str:
        """Return words for how a child ended, and the end of its log."""
        try:
            lines = self.log(name).read_text(errors="replace").splitlines()[-TAIL_LINES:]
        except OSError:
            lines = []
        how = f"by {signal.Signals(-status).name}" if status < 0 else f"with status {status}"
        return "\n".join([f"{name} ended {how}; the end of {self.log(name)}:", *(f"  {line}" for line in lines)])

    async def died(self) -> None:
        """Wait until a service ends that should run, and raise ChildDied."""
        raise ChildDied(await asyncio.shield(self._died))

    async def stop(self, name: str) -> int:
        """Send SIGTERM, after STOP_SECONDS SIGKILL, and return the exit status; raises ChildDied if neither ends it."""
        process = self._running[name]
        if name in self._watching:
            self._watching.pop(name).cancel()
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(STOP_SECONDS):
                    return await process.wait()
        raise ChildDied(f"{name} (process {process.pid}) does not end")

    def _kill_all(self) -> None:
        for process in self._running.values():
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.kill()


def become_taxon(parent: int, arguments: Sequence[str]) -> NoReturn:
    """Turn this process into `taxon` with these arguments; the kernel kills it when its parent has gone."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        # The parent went before the kernel was asked.
        raise SystemExit(1)
    os.execv(sys.executable, [sys.executable, "-m", "taxon", *arguments])


if __name__ == "__main__":
    become_taxon(int(sys.argv[1]), sys.argv[2:])
