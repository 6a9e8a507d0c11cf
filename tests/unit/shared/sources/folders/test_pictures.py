"""The order of picture files, and whether one is whole."""

from __future__ import annotations

import io
import os
import threading
import time
from pathlib import Path, PurePath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from shared.sources.folders import pictures
from shared.sources.folders.pictures import has_its_end, is_picture, natural_key, settled_picture
from tests.support.source_tree import ROOT

names = st.text("ab0123456789._-é²", min_size=1, max_size=12).filter(lambda name: name.strip("."))


def picture(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.effect_noise((64, 48), 50).convert("RGB").save(buffer, kind)
    return buffer.getvalue()


def in_order(*paths: str) -> list[str]:
    return [str(path) for path in sorted(map(PurePath, paths), key=natural_key)]


@pytest.mark.parametrize(
    "expected",
    [
        ["frame1.jpg", "frame2.jpg", "frame10.jpg"],
        ["2026-1-9/x.jpg", "2026-1-10/a.jpg", "2026-2-1/a.jpg"],
        ["9.jpg", "09x.jpg", "10.jpg", "snap.jpg"],
        ["A1.jpg", "a2.jpg", "B1.jpg"],
    ],
)
def test_numbers_are_ordered_as_numbers(expected: list[str]) -> None:
    assert in_order(*reversed(expected)) == expected


@given(st.lists(names, max_size=20))
def test_any_names_have_one_order(found: list[str]) -> None:
    assert in_order(*found) == in_order(*reversed(found))


def test_the_sample_rooms_have_the_order_that_they_had() -> None:
    for room in (ROOT / "samples").iterdir():
        if room.is_dir():
            files = list(room.glob("*.jpg"))
            assert sorted(files, key=natural_key) == sorted(files)


@pytest.mark.parametrize("name", [".snap.jpg", "snap.jpg.part", "snap.tmp", "snap.jpg.filepart", "snap", ".jpg"])
def test_a_name_of_an_upload_that_is_under_way_is_no_picture(name: str) -> None:
    assert not is_picture(name)


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_whole_file_has_its_end_and_no_part_of_it_has(kind: str) -> None:
    content = picture(kind)
    assert has_its_end(content)
    assert has_its_end(content + b"\0\0\r\n")
    assert not any(has_its_end(content[:size]) for size in range(0, len(content) - 12, 37))


def test_a_file_that_is_being_written_is_waited_for(tmp_path: Path) -> None:
    content = picture("JPEG")
    path = tmp_path / "a.jpg"
    path.write_bytes(content[:500])

    def write() -> None:
        time.sleep(0.3)
        path.write_bytes(content)

    writer = threading.Thread(target=write)
    writer.start()
    assert settled_picture(path, threading.Event()) == content
    writer.join()


def test_an_old_file_without_its_end_is_taken_at_once_and_a_young_one_when_it_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(picture("JPEG")[:500])
    os.utime(path, (1e9, 1e9))
    begun = time.monotonic()
    settled_picture(path, threading.Event())
    assert time.monotonic() - begun < 0.1
    monkeypatch.setattr(pictures, "SETTLE_SECONDS", 0.5)
    os.utime(path)
    settled_picture(path, threading.Event())
    assert 0.4 < time.monotonic() - begun < 2
    # A clock that was set back makes a file of tomorrow.
    os.utime(path, (time.time() + 86400,) * 2)
    settled_picture(path, threading.Event())
    assert time.monotonic() - begun < 3
