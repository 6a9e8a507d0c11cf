"""The small disk that chaos fills: full is full, and only for those who are inside."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.disk import needs_small_disk, small_disk

pytestmark = pytest.mark.starts_process


@needs_small_disk
@pytest.mark.asyncio
async def test_it_is_full_until_it_is_freed_and_outlives_whoever_writes(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    async with small_disk(folder, 1 << 20) as disk:

        async def write(name: str) -> int:
            argv = [*disk.inside, "sh", "-c", f"head -c 9000 /dev/zero > {folder}/{name}"]
            return await (await asyncio.create_subprocess_exec(*argv, stderr=asyncio.subprocess.DEVNULL)).wait()

        assert await write("first") == 0
        assert disk.fill() > 900_000
        assert await write("second") != 0
        disk.free()
        assert await write("third") == 0
        assert (disk.path / "first").stat().st_size == 9000
        assert list(folder.iterdir()) == [], "nobody else sees it"
