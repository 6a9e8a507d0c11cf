"""Folders, video files and HTTP streams, each really read. A webcam or an RTSP camera is not at hand in a test."""

from __future__ import annotations

import asyncio
import http.server
import io
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import aclosing, contextmanager
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from shared.errors import NoVideoPackage, SourceError
from shared.sources import SourceFrame, open_source, play
from shared.sources.playing import Pace, Source

WIDTH, HEIGHT, VIDEO_FPS = 64, 48, 20


def shade(index: int) -> int:
    """The grey of frame `index`, far enough from its neighbours' for a lossy codec."""
    return 10 + 20 * index


def write_video(path: Path, frames: int) -> None:
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=VIDEO_FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        stream.time_base = Fraction(1, VIDEO_FPS)
        for index in range(frames):
            pixels = np.full((HEIGHT, WIDTH, 3), shade(index), np.uint8)
            container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))


def jpeg(grey: int) -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (WIDTH, HEIGHT), (grey, grey, grey)).save(buffer, "JPEG")
    return buffer.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index in range(3):
        (tmp_path / f"{index}.jpg").write_bytes(jpeg(shade(index)))
    (tmp_path / "notes.txt").write_text("not a picture")
    return tmp_path


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("video") / "grey.mp4"
    write_video(path, 8)
    return path


async def taken(source: Source, count: int | None = None) -> list[SourceFrame]:
    """The first frames of a source, or all."""
    found = []
    async with asyncio.timeout(20), aclosing(play(source)) as frames:
        async for frame in frames:
            found.append(frame)
            if len(found) == count:
                break
    return found


def greys(frames: list[SourceFrame]) -> list[int]:
    """Which of the frames written by `write_video` these are."""
    pixels = [frame.picture for frame in frames]
    return [round((float(np.mean(p)) - 10) / 20) for p in pixels if isinstance(p, np.ndarray)]


@pytest.mark.asyncio
async def test_a_folder_gives_its_pictures_as_they_are_by_name_and_at_their_rate(folder: Path) -> None:
    begun = time.monotonic()
    with open_source(str(folder), fps=20) as source:
        frames = await taken(source)
    spent = time.monotonic() - begun
    assert [frame.picture for frame in frames] == [jpeg(shade(index)) for index in range(3)]
    steps = np.diff([frame.capture_time_us for frame in frames])
    assert (steps > 30_000).all(), f"20 frames a second are 50 ms apart, not {steps} microseconds"
    assert spent >= 0.09
    assert abs(frames[-1].capture_time_us / 1e6 - time.time()) < 1, "a capture time is the wall clock's"


@pytest.mark.asyncio
async def test_a_looped_folder_begins_again(folder: Path) -> None:
    with open_source(str(folder), fps=500, loop=True) as source:
        frames = await taken(source, 7)
    assert [frame.picture for frame in frames] == [jpeg(shade(index % 3)) for index in range(7)]


@pytest.mark.asyncio
async def test_one_picture_is_a_source_too(folder: Path) -> None:
    with open_source(str(folder / "1.jpg")) as source:
        assert [frame.picture for frame in await taken(source)] == [jpeg(shade(1))]


@pytest.mark.asyncio
async def test_a_slow_taker_loses_nothing_of_a_folder_and_is_not_rushed_afterwards(folder: Path) -> None:
    times = []
    with open_source(str(folder), fps=20) as source:
        async with aclosing(play(source)) as frames:
            async for frame in frames:
                times.append(frame.capture_time_us)
                if len(times) == 1:
                    await asyncio.sleep(0.5)
    assert len(times) == 3
    assert times[2] - times[1] > 30_000, "after a pause the source goes on at its own rate"


@pytest.mark.asyncio
async def test_a_video_file_gives_every_frame_at_its_own_rate(video: Path) -> None:
    with open_source(str(video)) as source:
        frames = await taken(source)
    assert greys(frames) == list(range(8))
    assert all(isinstance(f.picture, np.ndarray) and f.picture.shape == (HEIGHT, WIDTH, 3) for f in frames)
    seconds = (frames[-1].capture_time_us - frames[0].capture_time_us) / 1e6
    assert seconds == pytest.approx(7 / VIDEO_FPS, abs=0.15)


@pytest.mark.asyncio
async def test_a_video_is_thinned_to_the_wanted_rate_and_keeps_its_time(video: Path) -> None:
    with open_source(str(video), fps=10) as source:
        frames = await taken(source)
    assert greys(frames) == [0, 2, 4, 6]


@pytest.mark.asyncio
async def test_a_looped_video_begins_again(video: Path) -> None:
    with open_source(str(video), loop=True) as source:
        frames = await taken(source, 12)
    assert greys(frames) == [*range(8), *range(4)]
    assert np.diff([frame.capture_time_us for frame in frames]).min() > 0


@pytest.mark.asyncio
async def test_a_turned_recording_is_upright(tmp_path: Path) -> None:
    # PyAV writes no rotation, so the display matrix of the track header is turned by hand, as a phone writes it: 90 degrees clockwise.
    path = tmp_path / "turned.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=VIDEO_FPS)
        stream.width, stream.height, stream.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        pixels = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
        pixels[:, : WIDTH // 2] = 255
        container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24")))
        container.mux(stream.encode(None))
    unity = b"".join(value.to_bytes(4, "big") for value in (1 << 16, 0, 0, 0, 1 << 16, 0, 0, 0, 1 << 30))
    turned = b"".join(
        value.to_bytes(4, "big", signed=True) for value in (0, 1 << 16, 0, -(1 << 16), 0, 0, HEIGHT << 16, 0, 1 << 30)
    )
    content = path.read_bytes()
    track = content.index(b"tkhd")
    path.write_bytes(content[:track] + content[track:].replace(unity, turned, 1))
    with open_source(str(path)) as source:
        (frame,) = await taken(source)
    picture = frame.picture
    assert isinstance(picture, np.ndarray)
    assert picture.shape == (WIDTH, HEIGHT, 3)
    assert picture[: WIDTH // 2 - 4].mean() > 200, "what was left is above after a quarter turn clockwise"
    assert picture[WIDTH // 2 + 4 :].mean() < 50


@contextmanager
def served(handler: type[http.server.BaseHTTPRequestHandler]) -> Iterator[str]:
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/camera"
    finally:
        server.shutdown()
        server.server_close()


class MotionJpeg(http.server.BaseHTTPRequestHandler):
    """What a network camera answers: JPEGs without an end, 50 a second."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        try:
            for index in range(2000):
                body = jpeg(shade(index % 8))
                head = f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(body)}\r\n\r\n"
                self.wfile.write(head.encode() + body + b"\r\n")
                time.sleep(0.02)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing."""


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_live_stream_gives_its_newest_frame_and_counts_what_was_replaced() -> None:
    with served(MotionJpeg) as url, open_source(url) as source:
        seen: list[NDArray[np.uint8]] = []
        async with asyncio.timeout(20), aclosing(play(source)) as frames:
            async for frame in frames:
                assert isinstance(frame.picture, np.ndarray)
                seen.append(frame.picture)
                assert time.time() - frame.capture_time_us / 1e6 < 0.2, "a live frame is not older than the newest"
                await asyncio.sleep(0.15)
                if len(seen) == 5:
                    break
        assert source.superseded > 10, "at 50 frames a second six of seven were replaced while the taker slept"


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_live_stream_is_thinned_to_the_wanted_rate() -> None:
    with served(MotionJpeg) as url, open_source(url, fps=10) as source:
        frames = await taken(source, 6)
    seconds = (frames[-1].capture_time_us - frames[0].capture_time_us) / 1e6
    assert seconds == pytest.approx(0.5, abs=0.2)


class BreaksOnce(MotionJpeg):
    """Refuses its first caller."""

    calls = 0

    def do_GET(self) -> None:
        type(self).calls += 1
        if type(self).calls == 1:
            self.send_error(503)
        else:
            super().do_GET()


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_camera_that_was_not_there_is_called_again() -> None:
    with served(BreaksOnce) as url, open_source(url, loop=True) as source:
        assert len(await taken(source, 2)) == 2
    assert BreaksOnce.calls >= 2


@pytest.mark.asyncio
@pytest.mark.parametrize("spec", ["http://127.0.0.1:1/camera", "webcam:/dev/no-such-device"])
async def test_a_camera_that_is_not_there_is_said_to_be_missing(spec: str) -> None:
    with open_source(spec) as source, pytest.raises(SourceError, match="cannot be opened"):
        await taken(source)


@pytest.mark.asyncio
async def test_leaving_the_context_ends_the_playing(folder: Path) -> None:
    with open_source(str(folder), fps=100, loop=True) as source:
        frames = play(source)
        await anext(frames)
    async with asyncio.timeout(5):
        rest = [frame async for frame in frames]
    assert len(rest) <= 1
    for thread in threading.enumerate():
        if thread.name == f"source {folder}":
            thread.join(1)
            assert not thread.is_alive(), "the reading thread ends with the playing"


@pytest.mark.parametrize("name", ["missing.mp4", "missing"])
def test_what_is_not_there_is_no_source(tmp_path: Path, name: str) -> None:
    with pytest.raises(SourceError, match="is not there"):
        open_source(str(tmp_path / name))


def test_an_empty_folder_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no pictures"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("fps", [0, -1, float("nan"), float("inf")])
def test_an_impossible_rate_is_refused(folder: Path, fps: float) -> None:
    with pytest.raises(SourceError, match="frames a second"):
        open_source(str(folder), fps=fps)


@pytest.mark.asyncio
async def test_what_is_no_video_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "text.mp4"
    path.write_bytes(b"no video at all" * 100)
    with open_source(str(path)) as source, pytest.raises(SourceError, match="cannot be opened"):
        await taken(source)


@pytest.mark.asyncio
async def test_without_pyav_a_video_names_the_extra_and_a_folder_plays(
    video: Path, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "av", None)
    with open_source(str(video)) as source, pytest.raises(NoVideoPackage, match=r"\.\[video\]"):
        await taken(source)
    with open_source(str(folder), fps=500) as source:
        assert len(await taken(source)) == 3


def test_the_pace_keeps_the_mean_rate_over_small_delays_and_moves_after_large_ones() -> None:
    now = 100.0
    pace = Pace(lambda: now)
    assert pace.seconds_until(0.0) == 0
    now += 0.3
    assert pace.seconds_until(0.2) == 0
    assert pace.seconds_until(0.4) == pytest.approx(0.1)
    now += 10
    assert pace.seconds_until(0.6) == 0
    assert pace.seconds_until(0.8) == pytest.approx(0.2), "no rush after a pause"
