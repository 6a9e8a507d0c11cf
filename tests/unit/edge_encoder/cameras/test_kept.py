"""The file of cameras that were set at run time: read as it was written, whole at every moment, and its owner's alone."""

from __future__ import annotations

import errno
import json
import os
import stat
from pathlib import Path

import pytest

from edge_encoder.cameras.kept import KeptFile, KeptPlans
from edge_encoder.cameras.plan import CameraPlan
from shared.errors import DiskFull, FolderError, ReleaseMismatch

HALL = CameraPlan("hall", source="rtsp://u:pa55@10.0.0.7/1", fps=2.5, rate=1)
KEPT = KeptPlans({"hall": HALL, "door": CameraPlan("door", paused=True)}, frozenset({"porch"}))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    file = KeptFile(tmp_path)
    assert file.read() == KeptPlans()
    file.write(KEPT)
    assert KeptFile(tmp_path).read() == KEPT
    assert stat.S_IMODE(file.path.stat().st_mode) == 0o600
    assert [one.name for one in tmp_path.iterdir()] == ["cameras.json"]


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = KeptFile(tmp_path)
    file.write(KEPT)

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match="nothing was changed"):
        file.write(KeptPlans())
    monkeypatch.undo()
    assert KeptFile(tmp_path).read() == KEPT
    # The half of a file that a kill may leave behind is no hindrance.
    file.path.with_name("cameras.json.new").write_text("half")
    file.write(KeptPlans())
    assert KeptFile(tmp_path).read() == KeptPlans()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        "[]",
        "null",
        '"hall"',
        "\x00\x01",
        '{"cameras": {}, "held": []}',
        '{"version": "1", "cameras": {}, "held": []}',
        '{"version": 1, "held": []}',
        '{"version": 1, "cameras": [], "held": []}',
        '{"version": 1, "cameras": {"hall": 5}, "held": []}',
        '{"version": 1, "cameras": {"hall": {"source": "rtsp://u:pa55@h", "fps": -1}}, "held": []}',
        '{"version": 1, "cameras": {"a/b": {}}, "held": []}',
        '{"version": 1, "cameras": {}, "held": "hall"}',
    ],
)
def test_a_damaged_file_is_refused_and_left_as_it_is(tmp_path: Path, text: str) -> None:
    file = KeptFile(tmp_path)
    file.path.write_text(text)
    with pytest.raises(FolderError, match=r"cameras.json: is damaged .*put a copy back, or move it away") as refused:
        file.read()
    assert "pa55" not in str(refused.value)
    assert file.path.read_text() == text


def test_a_newer_release_s_file_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    file = KeptFile(tmp_path)
    file.path.write_text(text := json.dumps({"version": 2, "news": True}))
    with pytest.raises(ReleaseMismatch, match="it has version 2, this release reads 1"):
        file.read()
    assert file.path.read_text() == text


def test_a_file_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    KeptFile(tmp_path).path.mkdir()
    with pytest.raises(FolderError, match="cannot be read"):
        KeptFile(tmp_path).read()
