"""The tearing that chaos does: what was promised survives it, and tearing one byte earlier would lose frames, so that it is no sham."""

from __future__ import annotations

import random
import shutil
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from edge_encoder.spool.spool import Spool
from tests.support.disk import tear

# Appends in batches, deletes what is acknowledged, says what it was promised, and then waits to be killed.
WRITER = """
import sys, time
from pathlib import Path
from edge_encoder.frames import FrameRef, KnownCamera
from edge_encoder.spool.spool import CodedFrame, Spool
from shared.contract.geometry import Geometry

spool = Spool(Path(sys.argv[1]), 1 << 26, 3600.0)
for number in range(int(sys.argv[2])):
    sizes, bits = Geometry(640, 480, 256, 256), bytes(90 + number % 60)
    refs = [FrameRef.of(KnownCamera(name), b"", 1_000_000 + number) for name in "ab"]
    frames = [CodedFrame(ref, sizes, bits, 1, ("semantic",)) for ref in refs]
    for receipt in spool.append(bytes(32), frames):
        print(receipt.camera_id, receipt.sequence, "coded", flush=True)
    if number % 3 == 2:
        spool.delete_acked([("a", receipt.sequence - 1)])
        print("a", receipt.sequence - 1, "acked", flush=True)
print("end", flush=True)
time.sleep(60)
"""


def killed_writer(folder: Path, appends: int) -> tuple[set[tuple[str, int]], int]:
    """What was answered, and up to where camera a's frames were acknowledged; the process is dead."""
    argv = [sys.executable, "-c", WRITER, str(folder), str(appends)]
    coded, acked = set(), 0
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        for line in process.stdout:
            if line == "end\n":
                break
            name, sequence, what = line.split()
            if what == "coded":
                coded.add((name, int(sequence)))
            else:
                acked = int(sequence)
        process.send_signal(signal.SIGKILL)
    return coded, acked


def found(folder: Path) -> list[tuple[str, int]]:
    spool = Spool(folder, 1 << 26, 3600.0)
    kept = [(one.packet.camera_id, one.packet.sequence) for one in spool.read_after(0, 100_000)]
    spool.close()
    assert not list(folder.glob("*.damaged-*")), "a torn write is no damage"
    return kept


@pytest.mark.starts_process
@pytest.mark.parametrize("appends", [1, 7, 600])
def test_whatever_a_power_cut_tears_what_was_answered_is_there_once_and_in_order(tmp_path: Path, appends: int) -> None:
    coded, acked = killed_writer(tmp_path / "spool", appends)
    hows = set()
    for seed in range(8):
        shutil.copytree(tmp_path / "spool", torn := tmp_path / f"torn-{seed}")
        done = tear(torn, random.Random(seed))
        hows.add(done.how)
        kept = found(torn)
        assert kept == sorted(kept, key=lambda one: one[1]), done
        assert len(set(kept)) == len(kept), done
        assert set(kept) <= coded, done
        missing = coded - set(kept)
        assert all(name == "a" and sequence <= acked for name, sequence in missing), f"{done}: {missing}"
    assert len(hows) > 1


@pytest.mark.starts_process
def test_a_deletion_that_the_disk_was_not_told_of_may_come_undone(tmp_path: Path) -> None:
    coded, acked = killed_writer(tmp_path, 3)
    done = tear(tmp_path, random.Random(3))
    assert done.unsynced_commits == 1
    assert set(found(tmp_path)) == coded, f"all of a's frames up to {acked} are sent again, and the cloud knows them"


@pytest.mark.starts_process
def test_what_was_synced_is_not_spared_by_luck(tmp_path: Path) -> None:
    """The same damage one byte before what is torn: there a frame goes, so that the tests above could fail."""
    coded, _ = killed_writer(tmp_path, 2)
    done = tear(tmp_path, random.Random(1))
    log = tmp_path / "spool.sqlite-wal"
    kept = log.read_bytes()[: done.log_offset // 512 * 512]
    log.write_bytes(kept[: len(kept) // 2])
    assert set(found(tmp_path)) < coded


def test_a_disk_that_forgets_what_it_promised_is_another_fault(tmp_path: Path) -> None:
    """A page that the log no longer holds: then the file is set aside and a new one begun, as its law says."""
    spool = Spool(tmp_path, 1 << 26, 3600.0)
    spool.close()
    with (tmp_path / "spool.sqlite").open("r+b") as file:
        file.seek(4096)
        file.write(random.Random(1).randbytes(4096))
    Spool(tmp_path, 1 << 26, 3600.0).close()
    assert list(tmp_path.glob("*.damaged-*"))
    with sqlite3.connect(tmp_path / "spool.sqlite") as connection:
        assert connection.execute("PRAGMA quick_check").fetchone() == ("ok",)
    connection.close()
