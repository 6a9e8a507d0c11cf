"""`taxon camera` and `taxon watch` as processes, against small services on real ports."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import numpy as np
import pytest

from tests.unit.taxon.client.small_services import SmallCloud, SmallEdge, classes, serving, tensor

pytestmark = pytest.mark.starts_process


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    folder = tmp_path / "my clip"
    folder.mkdir()
    for index in range(4):
        (folder / f"{index}.jpg").write_bytes(f"picture {index}".encode())
    (folder / "4.jpg").write_bytes(bytes(2000))
    return folder


async def started(*arguments: str) -> asyncio.subprocess.Process:
    pipe = asyncio.subprocess.PIPE
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "taxon", *arguments, stdout=pipe, stderr=pipe, stdin=asyncio.subprocess.DEVNULL
    )


async def ended(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    async with asyncio.timeout(60):
        out, err = await process.communicate()
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


@pytest.mark.asyncio
async def test_a_camera_plays_a_folder_and_sums_up(clip: Path) -> None:
    edge = SmallEdge()
    async with serving(edge) as server:
        status, out, err = await ended(
            await started("camera", str(clip), "--to", f"127.0.0.1:{server.port}", "--fps", "50")
        )
    assert (status, err) == (0, "")
    assert (
        out == "my-clip: 5 posted, 4 coded, 0 not wanted, 0 superseded, 0 over budget, 1 refused, 101.5 bytes a frame\n"
    )
    assert edge.pictures == [f"picture {index}".encode() for index in range(4)]


@pytest.mark.asyncio
async def test_a_camera_tells_machines_each_receipt_and_ends_at_a_signal_with_its_counts(clip: Path) -> None:
    (clip / "4.jpg").unlink()
    async with serving(SmallEdge()) as server:
        to = f"127.0.0.1:{server.port}"
        process = await started("camera", str(clip), "--to", to, "--camera", "k", "--fps", "20", "--loop", "--json")
        assert process.stdout is not None
        first = json.loads(await process.stdout.readline())
        process.send_signal(signal.SIGTERM)
        status, out, _ = await ended(process)
    assert (first["camera"], first["outcome"], first["sequence"], first["coded_bytes"]) == ("k", "coded", 1, 100)
    *receipts, last = [json.loads(line) for line in out.splitlines()]
    assert last["summary"]["coded"] == len(receipts) + 1
    assert status == 0


@pytest.mark.asyncio
async def test_a_camera_that_is_refused_altogether_says_why_and_fails(clip: Path) -> None:
    async with serving(SmallEdge()) as server:
        arguments = ("camera", str(clip), "--to", f"127.0.0.1:{server.port}", "--camera", "refused")
        status, _, err = await ended(await started(*arguments))
    assert status == 1
    assert "unknown camera refused" in err


@pytest.mark.asyncio
async def test_a_camera_without_an_edge_gives_up_when_it_was_told_to(clip: Path) -> None:
    status, out, err = await ended(await started("camera", str(clip), "--to", "127.0.0.1:1", "--give-up", "0.5"))
    assert (status, out) == (1, "")
    assert "127.0.0.1:1 was not reached" in err


@pytest.mark.asyncio
async def test_a_watcher_saves_results_and_ends_after_so_many(tmp_path: Path) -> None:
    cloud = SmallCloud()
    normals = np.ones((3, 4, 4), np.float32)
    folder = tmp_path / "saved"
    async with serving(cloud) as server:
        flags = ("--tasks", "class_scene,normal", "--save", str(folder), "--tensors", "--frames", "3")
        process = await started("watch", "--from", f"127.0.0.1:{server.port}", *flags)
        async with asyncio.timeout(30):
            while not cloud.requests:
                await asyncio.sleep(0.05)
        for sequence in range(5):
            await cloud.publish("kitchen", sequence, classes("class_scene", "kitchen"), tensor("normal", normals))
        status, out, err = await ended(process)
        assert cloud.half_closed == 1, "it unsubscribes"
    assert status == 0, err
    assert [line.split(",")[0] for line in out.splitlines()] == [f"kitchen {index}: 101 bytes" for index in range(3)]
    assert sorted(path.name for path in (folder / "kitchen").iterdir()) == [
        name for index in range(3) for name in (f"{index}.json", f"{index}.normal.npy")
    ]


@pytest.mark.asyncio
async def test_a_watcher_that_gets_nothing_fails_after_its_time() -> None:
    async with serving(SmallCloud()) as server:
        status, out, err = await ended(await started("watch", "--from", f"127.0.0.1:{server.port}", "--seconds", "0.5"))
    assert (status, out) == (1, "")
    assert "no result came" in err


@pytest.mark.asyncio
async def test_a_watchers_impossible_task_is_one_line() -> None:
    async with serving(SmallCloud()) as server:
        arguments = ("watch", "--from", f"127.0.0.1:{server.port}", "--tasks", "no_task")
        status, _, err = await ended(await started(*arguments))
    assert status == 1
    assert "taxon: unknown task no_task" in err
    assert "Traceback" not in err
