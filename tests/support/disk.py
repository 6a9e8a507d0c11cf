"""A small disk that a test can fill, and a spool as a power cut may leave it.

    async with small_disk(folder) as disk:
        edge.before = disk.inside                  # what stands before the command that shall see it
        disk.fill(); ...; disk.free()              # disk.path: where the test finds the folder

The small disk is a tmpfs in a mount namespace of its own. Nobody else sees the mount, and it goes with its last process, whatever happens
to the test. It needs root, unshare and nsenter (util-linux).

    kill the edge --> tear(folder, draw) -> Torn --> start it again

The spool is SQLite with a write-ahead log (WAL). `Spool.append` commits on a connection that waits for the disk, so everything up to
the newest append is synced; deletions of acknowledged frames come from a second connection that does not wait. So a power cut
may tear (1) the log beyond the last synced commit: unsynced deletions, an append in the midst of being written; and (2) a page of the
database that a checkpoint was just copying: one that the log still holds. Both are done here, and nothing else: a disk that damages what
it had promised to keep is another fault (the spool is set aside then, see `shared.server.sqlite_file`).

Law that this tries: whatever was answered `coded` outlives a torn write of bytes that were not synced yet.
"""

from __future__ import annotations

import asyncio
import errno
import os
import random
import shutil
import sqlite3
import struct
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
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


HAS_SMALL_DISK = _can_mount()
needs_small_disk = pytest.mark.skipif(not HAS_SMALL_DISK, reason="needs root that may mount (and util-linux)")


@dataclass(frozen=True)
class SmallDisk:
    """A mounted disk. holder: the process that keeps the namespace. folder: the place in it where the disk is mounted."""

    holder: int
    folder: Path

    @property
    def inside(self) -> tuple[str, ...]:
        """Return the words before a command that shall see the disk."""
        return ("nsenter", f"--mount=/proc/{self.holder}/ns/mnt", "--")

    @property
    def path(self) -> Path:
        """Return the folder's path from outside the namespace."""
        return Path(f"/proc/{self.holder}/root{self.folder}")

    def fill(self) -> int:
        """Leave no byte free, and return how many were."""
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
        """Give back what `fill` took."""
        (self.path / _BALLAST).unlink(missing_ok=True)


@asynccontextmanager
async def small_disk(folder: Path, size_bytes: int = 24 << 20) -> AsyncIterator[SmallDisk]:
    """Mount an empty disk over the folder (an absolute path, made where it is missing), until the end."""
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


_FILE = "spool.sqlite"
_WAL_HEADER, _FRAME_HEADER = 32, 24
SECTOR_BYTES = 512
_COPIED_AT = 128
"""The offset of `nBackfillAttempted` in the log's index."""
MOST_TORN_BYTES = 64 << 10
_PROMISED = ("sqlite_sequence", "meta", "cameras", "receipts")
"""Appends and wishes change these tables, deletions do not. Where they are as at the end, all that follows is unsynced."""


@dataclass(frozen=True)
class Torn:
    """The damage. log_bytes: the WAL is overwritten or cut from this offset on. page: the database's page, 0 for none."""

    log_bytes: int
    log_offset: int
    unsynced_commits: int
    page: int
    how: str

    def __str__(self) -> str:
        page = f", second half of page {self.page}" if self.page else ""
        return f"{self.log_bytes} bytes of the log ({self.unsynced_commits} unsynced commits) {self.how}{page}"


@dataclass(frozen=True)
class _Frame:
    """A page in the log. end: the offset behind it."""

    end: int
    page: int
    commits: bool


def tear(folder: Path, draw: random.Random) -> Torn:
    """Damage the spool of an edge that is dead. folder: its data folder. draw: decides the place and the bytes."""
    database, log = folder / _FILE, folder / f"{_FILE}-wal"
    written = log.read_bytes() if log.exists() else b""
    frames = list(_valid_frames(written))
    first = _copied_frames(database.with_name(f"{_FILE}-shm"))
    synced, unsynced = _synced(database, written, frames[:first], [one.end for one in frames[first:] if one.commits])
    kept = written[:synced]
    tail = written[synced : synced + MOST_TORN_BYTES] or _half_written(kept, draw)
    offset = draw.randrange(0, len(tail), SECTOR_BYTES)
    how = draw.choice(("cut", "zeroed", "scrambled"))
    torn = {"cut": b"", "zeroed": bytes(len(tail) - offset), "scrambled": draw.randbytes(len(tail) - offset)}[how]
    log.write_bytes(kept + tail[:offset] + torn)
    page_bytes = struct.unpack(">I", written[8:12])[0] if frames else 0
    held = [frame.page for frame in frames if frame.end <= synced and frame.page > 1]
    page = max((page for page in held if page * page_bytes <= database.stat().st_size), default=0)
    if page:
        with database.open("r+b") as file:
            file.seek(page * page_bytes - page_bytes // 2)
            file.write(draw.randbytes(page_bytes // 2))
    return Torn(len(tail) - offset, synced + offset, unsynced, page, how)


def _valid_frames(log: bytes) -> Iterator[_Frame]:
    """Return the frames that SQLite would read: with the salts of the log's header, and check sums unbroken from the start."""
    if len(log) < _WAL_HEADER:
        return
    magic, _, page_bytes, _ = struct.unpack(">4I", log[:16])
    order = ">" if magic & 1 else "<"
    sums = _summed((0, 0), log[:24], order)
    if sums != struct.unpack(">2I", log[24:32]):
        return
    for start in range(_WAL_HEADER, len(log) - _FRAME_HEADER - page_bytes + 1, _FRAME_HEADER + page_bytes):
        body = start + _FRAME_HEADER
        page, pages_after = struct.unpack(">2I", log[start : start + 8])
        sums = _summed(sums, log[start : start + 8] + log[body : body + page_bytes], order)
        if log[start + 8 : start + 16] != log[16:24] or sums != struct.unpack(">2I", log[start + 16 : body]):
            return
        yield _Frame(body + page_bytes, page, pages_after > 0)


def _summed(sums: tuple[int, int], words: bytes, order: str) -> tuple[int, int]:
    """Return SQLite's running check sum over pairs of 32-bit words."""
    first, second = sums
    for even, odd in struct.iter_unpack(f"{order}2I", words):
        first = (first + even + second) & 0xFFFFFFFF
        second = (second + odd + first) & 0xFFFFFFFF
    return first, second


def _copied_frames(index: Path) -> int:
    """Return how many frames of the log a checkpoint has begun to copy; it synced them before, deletions too."""
    found = index.read_bytes()[_COPIED_AT : _COPIED_AT + 4] if index.exists() else b""
    return int(struct.unpack("=I", found)[0]) if len(found) == 4 else 0


def _synced(database: Path, log: bytes, copied: list[_Frame], commits: list[int]) -> tuple[int, int]:
    """Return the offset behind the last commit that waited for the disk, and how many follow. commits: offsets behind later ones."""
    ends = [copied[-1].end if copied else min(len(log), _WAL_HEADER), *commits]
    promised = _rows(database, log[: ends[-1]])
    last = len(ends) - 1
    while last and _rows(database, log[: ends[last - 1]]) == promised:
        last -= 1
    return ends[last], len(ends) - 1 - last


def _rows(database: Path, log: bytes) -> list[list[tuple[object, ...]]]:
    """Return what these files say, read from copies."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / _FILE
        shutil.copyfile(database, copy)
        copy.with_name(f"{_FILE}-wal").write_bytes(log)
        connection = sqlite3.connect(copy)
        try:
            known = {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
            return [connection.execute(f"SELECT * FROM {table}").fetchall() for table in _PROMISED if table in known]
        finally:
            connection.close()


def _half_written(log: bytes, draw: random.Random) -> bytes:
    """Return the beginning of an append: a frame of this log or the header of a new one, with a wrong check sum."""
    if len(log) < _WAL_HEADER:
        return draw.randbytes(_WAL_HEADER)
    page_bytes = struct.unpack(">I", log[8:12])[0]
    return struct.pack(">2I", 2, 2) + log[16:24] + draw.randbytes(8 + page_bytes)
