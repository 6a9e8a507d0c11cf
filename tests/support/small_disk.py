"""A small disk for one folder of a service, which a test can fill and free: a tmpfs in a mount namespace of its own.

    async with small_disk(folder) as disk:
        edge.before = disk.inside                  # what stands before the command that shall see it
        disk.fill(); ...; disk.free()              # disk.path: where the test finds the folder

Nobody else sees the mount, and it goes with its last process, whatever happens to the test. Needs root, unshare and nsenter (util-linux).
"""

from __future__ import annotations

import asyncio
import errno
import os
import shutil
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_MOUNTS = 'mount -t tmpfs -o "size=$1,mode=700" taxon-test "$2" && echo up && exec cat'
_START_SECONDS = 20.0
_BALLAST = "ballast"


def _can_mount() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None or shutil.which("nsenter") is None:
        return False
    tried = ["unshare", "--mount", "mount", "-t", "tmpfs", "taxon-test", "/mnt"]
    return subprocess.run(tried, capture_output=True, timeout=_START_SECONDS, check=False).returncode == 0


IS_THERE = _can_mount()
needs_small_disk = pytest.mark.skipif(not IS_THERE, reason="needs root that may mount (and util-linux)")


@dataclass(frozen=True)
class SmallDisk:
    """holder: the process that keeps the namespace. folder: where it is mounted, in there."""

    holder: int
    folder: Path

    @property
    def inside(self) -> tuple[str, ...]:
        """What stands before a command that shall see it."""
        return ("nsenter", f"--mount=/proc/{self.holder}/ns/mnt", "--")

    @property
    def path(self) -> Path:
        """The folder from outside."""
        return Path(f"/proc/{self.holder}/root{self.folder}")

    def fill(self) -> int:
        """Leaves no byte free; how many were."""
        taken = 0
        with (self.path / _BALLAST).open("ab", buffering=0) as ballast:
            for size in (1 << 20, 1 << 12, 1):
                try:
                    while True:
                        taken += ballast.write(bytes(size))
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
        return taken

    def free(self) -> None:
        """Gives back what `fill` took."""
        (self.path / _BALLAST).unlink(missing_ok=True)


@asynccontextmanager
async def small_disk(folder: Path, size_bytes: int = 24 << 20) -> AsyncIterator[SmallDisk]:
    """Mounted over the folder (absolute; made where it is not there), empty; gone afterwards."""
    folder.mkdir(parents=True, exist_ok=True)
    holder = await asyncio.create_subprocess_exec(
        "unshare", "--mount", "sh", "-c", _MOUNTS, "sh", str(size_bytes), str(folder),
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdin is not None
    assert holder.stdout is not None
    try:
        async with asyncio.timeout(_START_SECONDS):
            assert await holder.stdout.readline() == b"up\n", f"no tmpfs at {folder}"
        yield SmallDisk(holder.pid, folder.resolve())
    finally:
        holder.stdin.close()  # ends `cat`, and with it the namespace
        await asyncio.wait_for(holder.wait(), _START_SECONDS)
