"""`taxon watch` ends when it was told to, also when what it was to watch never comes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.services import ServiceProcess, free_port, running

pytestmark = pytest.mark.starts_process


def watch(*arguments: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "taxon", "watch", *arguments]
    return subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)


def test_without_a_cloud() -> None:
    ended = watch("--from", f"127.0.0.1:{free_port()}", "--seconds", "1")
    assert ended.returncode == 1
    assert "no result came" in ended.stderr


@pytest.mark.asyncio
async def test_with_a_camera_that_never_comes(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    bundles = str(tiny_bundle_directory.parent.parent)
    cloud = ServiceProcess("cloud", tmp_path / "cloud", ("--bundles", bundles, "--threads", "1"))
    async with running(cloud):
        ended = watch("--from", cloud.rpc, "--cameras", "attic", "--seconds", "1")
    assert ended.returncode == 1
    assert "no result came" in ended.stderr
