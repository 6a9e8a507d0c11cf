"""The demo's processes are real ones here: they are stopped, their death is told, and none outlives its parent."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path

import pytest

from taxon.live.children import ChildDied, Children

pytestmark = pytest.mark.starts_process

NOBODY = "127.0.0.1:1"
PARENT = """
import asyncio, sys
from pathlib import Path
from taxon.live.children import Children

async def main():
    async with Children(Path(sys.argv[1])) as children:
        process = await children.start("camera", ["camera", sys.argv[2], "--to", "127.0.0.1:1", "--camera", "a"])
        print(process.pid, flush=True)
        await asyncio.sleep(3600)

asyncio.run(main())
"""


def is_alive(pid: int) -> bool:
    """Whether it runs; one that has ended and was not waited for does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except OSError:
        return False


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    (folder / "1.jpg").write_bytes(b"never decoded")
    return folder


@pytest.mark.asyncio
async def test_children_are_stopped_when_the_context_is_left(tmp_path: Path, source: Path) -> None:
    async with Children(tmp_path) as children:
        process = await children.start("camera", ["camera", str(source), "--to", NOBODY])
        assert is_alive(process.pid)
    assert process.returncode is not None


@pytest.mark.asyncio
async def test_the_death_of_a_child_is_told_with_its_last_words(tmp_path: Path) -> None:
    async with asyncio.timeout(30), Children(tmp_path) as children:
        await children.start("edge", ["camera", str(tmp_path / "missing")])
        with pytest.raises(ChildDied, match=r"(?s)edge ended with status 1.*missing: is not there"):
            await children.died()


@pytest.mark.asyncio
async def test_no_child_outlives_a_parent_that_is_killed(tmp_path: Path, source: Path) -> None:
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", PARENT, str(tmp_path), str(source), stdout=asyncio.subprocess.PIPE
    )
    assert parent.stdout is not None
    child = int(await parent.stdout.readline())
    # Until it has said something the child may not have asked the kernel yet.
    await asyncio.sleep(2.0)
    assert is_alive(child)
    parent.send_signal(signal.SIGKILL)
    await parent.wait()
    deadline = time.monotonic() + 10
    while is_alive(child) and time.monotonic() < deadline:
        await asyncio.sleep(0.05)
    alive = is_alive(child)
    if alive:
        os.kill(child, signal.SIGKILL)
    assert not alive
