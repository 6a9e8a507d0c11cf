"""Programs of Debian's packages that tests need: whether they are there, and how one is started and ended.

    PROMETHEUS = DebianPackage("prometheus", "promtool")      @PROMETHEUS.needed      PROMETHEUS.require() in a fixture

Law: a test is skipped only where this user may not install packages. Where `tests/debian.sh` could have installed it, it fails.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import httpx
import pytest

MAY_INSTALL = os.geteuid() == 0 and shutil.which("apt-get") is not None


class DebianPackage:
    """A package. name: also its program's, where nothing else is named. programs: those that tests call.

    libraries: files under /usr/lib, of packages that have no program.
    """

    def __init__(self, name: str, *programs: str, libraries: Sequence[str] = ()) -> None:
        self.name = name
        if not libraries:
            programs = programs or (name,)
        self._missing = [program for program in programs if shutil.which(program) is None]
        self._missing += [file for file in libraries if not any(Path("/usr/lib").glob(file))]

    @property
    def needed(self) -> pytest.MarkDecorator:
        """Return a mark for the tests that call it."""
        why = f"needs {' and '.join(self._missing)}, and this user may not install Debian's {self.name} (as root, tests/debian.sh does)"
        return pytest.mark.skipif(bool(self._missing) and not MAY_INSTALL, reason=why)

    def require(self) -> None:
        """Skip the test, from a fixture or a helper; fail it where the package could have been installed."""
        if not self._missing:
            return
        if MAY_INSTALL:
            pytest.fail(f"{' and '.join(self._missing)} of Debian's {self.name} is missing: run tests/debian.sh")
        pytest.skip(self.needed.kwargs["reason"])


async def started(
    argv: Sequence[str], log: Path, is_ready: Callable[[], Awaitable[bool]], seconds: float
) -> asyncio.subprocess.Process:
    """Start a process and wait until it is ready; otherwise end it and raise AssertionError with the log's end."""
    with log.open("ab") as file:
        process = await asyncio.create_subprocess_exec(*argv, stdout=file, stderr=file)
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and process.returncode is None:
        if await is_ready():
            return process
        await asyncio.sleep(0.05)
    await killed(process)
    raise AssertionError(f"{argv[0]} did not start: {log.read_text()[-2000:]}")


async def killed(process: asyncio.subprocess.Process | None) -> None:
    """Send SIGKILL, so that nothing is finished or flushed, to a process that has not ended."""
    if process is not None and process.returncode is None:
        process.kill()
        await process.wait()


async def says_ready(client: httpx.AsyncClient) -> bool:
    """Return True where a program of the Prometheus family is ready, by its `/-/ready`."""
    try:
        return (await client.get("/-/ready")).status_code == 200
    except httpx.TransportError:
        return False
