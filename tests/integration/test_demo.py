"""`taxon demo` with the tiny bundle: real processes, real sockets, every accepted frame delivered."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.starts_process


def demo(bundle: Path, folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "taxon", "demo", "--bundle", str(bundle), "--folder", str(folder), *arguments]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def counts(out: str) -> tuple[int, int, int, int]:
    """Posted, coded, delivered, lost."""
    found = re.search(
        r"demo: (\d+) posted, (\d+) coded,.* (\d+) delivered, (\d+) lost, [\d.]+ bytes a frame, delay", out
    )
    assert found, out
    posted, coded, delivered, lost = (int(number) for number in found.groups())
    return posted, coded, delivered, lost


def test_a_demo_ends_by_itself_and_loses_nothing(tiny_bundle_directory: Path, tmp_path: Path) -> None:
    process = demo(tiny_bundle_directory, tmp_path, "--duration", "4", "--fps", "5")
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, out + err
    posted, coded, delivered, lost = counts(out)
    assert 0 < coded <= posted
    assert (delivered, lost) == (coded, 0)
    assert "The wall: http://127.0.0.1:" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{name}.log" for name in ("bedroom", "cloud", "edge", "kitchen", "living_room")
    ], "the services' data is gone, their logs are there"


def test_a_demo_that_is_interrupted_sums_up(tiny_bundle_directory: Path, tmp_path: Path) -> None:
    process = demo(tiny_bundle_directory, tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline().startswith("The wall:")
    time.sleep(5)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 0, out + err
    _, coded, delivered, lost = counts(out)
    assert coded > 0
    assert (delivered, lost) == (coded, 0)
