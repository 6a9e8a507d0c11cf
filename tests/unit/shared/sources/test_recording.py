"""Recordings of every kind that cameras and browsers leave: each frame that is due, once."""

from __future__ import annotations

import itertools
import os
import threading
import time
from pathlib import Path
from typing import Any

import av
import pytest

from shared.errors import SourceError
from shared.sources import open_source
from shared.sources.recording import RecordingSource
from tests.support.clips import CLIP_FPS, CODES, index_of, write_clip

LIVE_WEBM = {"live": "1"}
"""A browser's recorder writes so: neither a duration nor an index."""


def read(
    path: Path, fps: float | None = None, *, loop: bool = False, most: int | None = None
) -> list[tuple[int, float]]:
    """Which frame, and when it is due, of what a recording gives."""
    source = open_source(str(path), fps=fps, loop=loop)
    assert isinstance(source, RecordingSource)
    with source:
        readings = itertools.islice(source.read(), most)
        return [
            (index_of(reading.picture), reading.due_seconds) for reading in readings if reading.due_seconds is not None
        ]


def indices(found: list[tuple[int, float]]) -> list[int]:
    return [index for index, _ in found]


def moments(found: list[tuple[int, float]]) -> list[float]:
    return [moment for _, moment in found]


def every(frames: int, step: int = 1) -> list[int]:
    return [index % CODES for index in range(0, frames, step)]


def without_a_duration(path: Path) -> bool:
    with av.open(str(path)) as container:
        return container.duration is None


@pytest.mark.parametrize(
    ("name", "codec", "format", "options"),
    [
        ("browser.webm", "libvpx", "webm", LIVE_WEBM),
        ("unfinished.mkv", "mpeg4", "matroska", LIVE_WEBM),
        ("raw.h264", "libx264", "h264", None),
        ("raw.h265", "libx265", "hevc", None),
        ("raw.m4v", "mpeg4", "m4v", None),
    ],
)
def test_a_recording_without_a_duration_is_one_all_the_same(
    tmp_path: Path, name: str, codec: str, format: str, options: dict[str, str] | None
) -> None:
    path = write_clip(tmp_path / name, 30, codec=codec, format=format, options=options)
    assert without_a_duration(path)
    found = read(path)
    assert indices(found) == every(30)
    assert moments(found) == pytest.approx([index / CLIP_FPS for index in range(30)], abs=0.001)
    assert indices(read(path, fps=5)) == every(30, 5)


def test_an_unfinished_file_gives_what_it_has(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "unfinished.mkv", 30, format="matroska", options=LIVE_WEBM)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * 2 // 3])
    found = indices(read(path))
    assert 10 < len(found) < 30
    assert found == every(len(found))


def test_raw_video_is_played_at_the_rate_that_it_carries(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "raw.h264", 20, codec="libx264", format="h264", rate=10)
    assert moments(read(path)) == pytest.approx([index / 10 for index in range(20)])
    assert indices(read(path, fps=2)) == every(20, 5)


def test_a_clip_whose_time_stamps_start_again_is_played_on(tmp_path: Path) -> None:
    one = write_clip(tmp_path / "one.ts", 22, format="mpegts")
    path = tmp_path / "joined.ts"
    path.write_bytes(one.read_bytes() * 3)
    found = read(path)
    assert indices(found) == every(66)
    assert max(after - before for before, after in itertools.pairwise(moments(found))) < 0.1
    assert indices(read(path, fps=5)) == every(66, 5)


def test_a_clip_whose_time_stamps_run_backwards_is_played_forwards(tmp_path: Path) -> None:
    parts = [
        write_clip(
            tmp_path / f"{hour}.ts",
            11,
            format="mpegts",
            seconds=[hour * 3600 + index / CLIP_FPS for index in range(11)],
        )
        for hour in (3, 1, 2)
    ]
    path = tmp_path / "joined.ts"
    path.write_bytes(b"".join(part.read_bytes() for part in parts))
    found = read(path)
    assert indices(found) == every(33)
    assert moments(found) == pytest.approx([index / CLIP_FPS for index in range(33)], abs=0.1)


def test_a_clip_whose_time_stamps_repeat_gives_each_frame(tmp_path: Path) -> None:
    source = write_clip(tmp_path / "raw.h264", 22, codec="libx264", format="h264")
    path = tmp_path / "repeated.mkv"
    with av.open(str(source)) as given, av.open(str(path), "w") as container:
        stream = container.add_stream_from_template(given.streams.video[0])
        for index, packet in enumerate(given.demux(video=0)):
            if packet.size:
                packet.stream, packet.pts, packet.dts = stream, index // 11, index // 11
                container.mux(packet)
    found = read(path)
    assert indices(found) == every(22)
    assert moments(found)[-1] == pytest.approx(21 / CLIP_FPS, abs=0.1)


@pytest.mark.parametrize("suffix", ["mkv", "mp4"])
def test_a_variable_rate_keeps_its_times_and_is_thinned_by_them(tmp_path: Path, suffix: str) -> None:
    seconds = [*(index / 4 for index in range(8)), *(2 + index / 20 for index in range(40)), 5.5]
    path = write_clip(tmp_path / f"variable.{suffix}", len(seconds), codec="libx264", seconds=seconds)
    found = read(path)
    assert indices(found) == every(len(seconds))
    assert moments(found) == pytest.approx(seconds, abs=0.002)
    assert moments(read(path, fps=2)) == pytest.approx([0, 0.5, 1, 1.5, 2, 2.5, 3, 3.5, 5.5], abs=0.051)


def test_a_clip_that_is_shorter_than_the_interval_gives_one_frame_an_interval_for_ever(tmp_path: Path) -> None:
    path = write_clip(tmp_path / "short.mp4", CLIP_FPS)
    found = read(path, fps=0.5, loop=True, most=20)
    assert moments(found) == pytest.approx([2.0 * index for index in range(20)], abs=0.021)
    assert set(indices(found)) == {0}


def test_rounds_of_a_clip_without_a_wanted_frame_are_not_decoded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_clip(tmp_path / "short.mp4", CLIP_FPS)
    opened = 0
    really = av.open

    def counted(*arguments: Any, **named: Any) -> Any:
        nonlocal opened
        opened += 1
        return really(*arguments, **named)

    monkeypatch.setattr(av, "open", counted)
    found = read(path, fps=0.01, loop=True, most=5)
    assert moments(found) == pytest.approx([100.0 * index for index in range(5)], abs=0.021)
    assert opened == 5


@pytest.mark.parametrize(("frames", "fps"), [(25, 2.0), (25, 0.7), (7, 3.0), (40, 10.0), (1, 5.0)])
def test_a_looped_clip_is_thinned_as_one_long_recording(tmp_path: Path, frames: int, fps: float) -> None:
    path = write_clip(tmp_path / "clip.mp4", frames)
    found = read(path, fps=fps, loop=True, most=40)
    wanted = [index / fps for index in range(40)]
    assert moments(found) == pytest.approx(wanted, abs=0.5 / CLIP_FPS + 0.001)
    assert indices(found) == [round(moment * CLIP_FPS) % frames % CODES for moment in moments(found)]


def test_a_pipe_is_a_recording_that_is_read_once(tmp_path: Path) -> None:
    clip = write_clip(tmp_path / "clip.mkv", 20, format="matroska", options=LIVE_WEBM)
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write() -> None:
        time.sleep(0.3)
        path.write_bytes(clip.read_bytes())

    writer = threading.Thread(target=write)
    writer.start()
    assert indices(read(path)) == every(20)
    writer.join(5)
    assert not writer.is_alive()


def test_a_pipe_that_nobody_writes_to_is_left_when_the_source_ends(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)
    source = open_source(str(path))
    threading.Timer(0.3, source.stopping.set).start()
    begun = time.monotonic()
    with pytest.raises(SourceError):
        list(source.read())
    assert time.monotonic() - begun < 3


def test_a_device_is_named_as_a_webcam() -> None:
    with pytest.raises(SourceError, match="webcam:/dev/null"):
        open_source("/dev/null")
