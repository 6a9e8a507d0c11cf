"""A folder that a camera fills: each picture once, whole, in order, over restarts, whatever the camera does."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from contextlib import aclosing
from pathlib import Path

import pytest

from shared.errors import SourceError, SourceRefused
from shared.sources import lasting_source, open_source, play
from shared.sources.folders import pictures, watched
from shared.sources.folders.memory import GivenFiles, mark_of
from shared.sources.folders.pictures import FileState
from shared.sources.playing import Source
from shared.sources.state import SourceState
from tests.support.http_camera import jpeg

NOISE = os.urandom(3000)


def content_of(number: int) -> bytes:
    """A whole picture that is this one and no other, in a length that can be cut."""
    return jpeg(number)[:-2] + NOISE + number.to_bytes(4, "big") + b"\xff\xd9"


class Taker:
    """Plays a source in a task, as the edge does, and keeps what it took."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.found: list[bytes] = []
        self.times_us: list[int] = []

    async def run(self) -> None:
        async with aclosing(play(self.source)) as frames:
            async for frame in frames:
                assert isinstance(frame.picture, bytes)
                self.found.append(frame.picture)
                self.times_us.append(frame.capture_time_us)

    async def until(self, count: int, seconds: float = 8) -> list[bytes]:
        """What was taken once so many were."""
        async with asyncio.timeout(seconds):
            while len(self.found) < count:
                await asyncio.sleep(0.02)
        return self.found


async def taken(folder: Path, count: int, memory: Path | None = None, more_seconds: float = 0.3) -> list[bytes]:
    """What a watched folder gives within a moment after so many."""
    taker = Taker(open_source(f"watch:{folder}", fps=100, memory=memory))
    playing = asyncio.create_task(taker.run())
    await taker.until(count)
    await asyncio.sleep(more_seconds)
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    return taker.found


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "LOOK_SECONDS", 0.05)


def drop(folder: Path, name: str, number: int) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content_of(number))


@pytest.mark.asyncio
async def test_what_is_there_and_what_comes_is_given_once_in_natural_order(tmp_path: Path) -> None:
    for number in (10, 2, 1):
        drop(tmp_path, f"frame{number}.jpg", number)
    taker = Taker(open_source(f"watch:{tmp_path}", fps=100))
    playing = asyncio.create_task(taker.run())
    await taker.until(3)
    for number in (12, 11, 3):
        drop(tmp_path, f"new/frame{number}.jpg", number)
        await asyncio.sleep(0.2)
    await taker.until(6)
    await asyncio.sleep(0.3)
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    assert taker.found == [content_of(number) for number in (1, 2, 10, 12, 11, 3)]
    assert taker.times_us == sorted(set(taker.times_us))


@pytest.mark.asyncio
async def test_an_empty_folder_is_watched_and_sub_folders_of_days_and_hours_too(tmp_path: Path) -> None:
    taker = Taker(open_source(f"watch:{tmp_path}", fps=100))
    playing = asyncio.create_task(taker.run())
    await asyncio.sleep(0.2)
    assert not playing.done()
    drop(tmp_path, "2026-11-25/13/00.jpg", 1)
    await taker.until(1)
    drop(tmp_path, "2026-11-25/14/00.jpg", 2)
    await taker.until(2)
    drop(tmp_path, ".hidden/00.jpg", 3)
    drop(tmp_path, "2026-11-25/14/.00.jpg.tmp", 4)
    drop(tmp_path, "2026-11-25/14/00.txt", 5)
    await asyncio.sleep(0.3)
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    assert taker.found == [content_of(1), content_of(2)]


@pytest.mark.asyncio
async def test_a_file_that_is_uploaded_slowly_is_given_once_and_whole(tmp_path: Path) -> None:
    whole = content_of(1)

    def upload() -> None:
        with (tmp_path / "a.jpg").open("wb", buffering=0) as file:
            for begin in range(0, len(whole), 300):
                file.write(whole[begin : begin + 300])
                time.sleep(0.05)
        (tmp_path / "b.jpg.part").write_bytes(content_of(2)[:100])
        time.sleep(0.2)
        (tmp_path / "b.jpg.part").write_bytes(content_of(2))
        (tmp_path / "b.jpg.part").rename(tmp_path / "b.jpg")

    uploading = threading.Thread(target=upload)
    uploading.start()
    assert await taken(tmp_path, 2) == [content_of(1), content_of(2)]
    uploading.join()


@pytest.mark.asyncio
async def test_files_behind_one_that_is_uploaded_wait_for_it_but_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "HOLD_SECONDS", 0.5)
    (tmp_path / "1.jpg").write_bytes(content_of(1)[:100])
    drop(tmp_path, "2.jpg", 2)

    def finish() -> None:
        time.sleep(0.25)
        drop(tmp_path, "1.jpg", 1)

    finishing = threading.Thread(target=finish)
    finishing.start()
    assert await taken(tmp_path, 2) == [content_of(1), content_of(2)]
    finishing.join()
    (tmp_path / "3.jpg").write_bytes(content_of(3)[:100])
    drop(tmp_path, "4.jpg", 4)
    assert (await taken(tmp_path, 3))[-1] == content_of(4)


@pytest.mark.asyncio
async def test_a_file_without_its_end_is_taken_when_nothing_is_written_to_it_any_more(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "SETTLE_SECONDS", 0.4)
    (tmp_path / "a.jpg").write_bytes(content_of(1)[:-2])
    (tmp_path / "empty.jpg").write_bytes(b"")
    begun = time.monotonic()
    assert await taken(tmp_path, 1) == [content_of(1)[:-2]]
    assert time.monotonic() - begun > 0.4


@pytest.mark.asyncio
async def test_a_file_that_the_camera_overwrites_is_a_new_frame(tmp_path: Path) -> None:
    taker = Taker(open_source(f"watch:{tmp_path}", fps=100))
    playing = asyncio.create_task(taker.run())
    for number in range(4):
        drop(tmp_path, "snap.jpg", number)
        await taker.until(number + 1)
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    assert taker.found == [content_of(number) for number in range(4)]


@pytest.mark.asyncio
async def test_files_that_the_camera_deletes_are_passed_over(tmp_path: Path) -> None:
    for number in range(30):
        drop(tmp_path, f"{number}.jpg", number)
    taker = Taker(open_source(f"watch:{tmp_path}", fps=50))
    playing = asyncio.create_task(taker.run())
    await taker.until(3)
    for number in range(10, 25):
        (tmp_path / f"{number}.jpg").unlink()
    kept = [content_of(number) for number in (*range(10), *range(25, 30))]
    async with asyncio.timeout(20):
        while kept[-1] not in taker.found:
            await asyncio.sleep(0.02)
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    # A busy machine may have given some of the others before they were deleted.
    assert [one for one in taker.found if one in kept] == kept
    assert content_of(24) not in taker.found


@pytest.mark.asyncio
async def test_nothing_is_given_again_after_a_restart_and_nothing_is_left_out(tmp_path: Path) -> None:
    folder, memory = tmp_path / "ftp", tmp_path / "data" / "hall"
    for number in range(40):
        drop(folder, f"{number}.jpg", number)
    found = []
    for count in (5, 1, 20):
        # Some are read ahead when it stops; those are not taken, and so are given by the next one.
        found += await taken(folder, count, memory, more_seconds=0)
    drop(folder, "40.jpg", 40)
    found += await taken(folder, 41 - len(found), memory)
    assert found == [content_of(number) for number in range(41)]


def test_the_memory_forgets_what_is_gone_and_stays_small(tmp_path: Path) -> None:
    path = tmp_path / "given"
    memory = GivenFiles(path)
    for number in range(5000):
        memory.take(mark_of(f"{number}.jpg", FileState(1, number)))
        if number % 100 == 99:
            memory.keep_only({mark_of(f"{one}.jpg", FileState(1, one)) for one in range(number - 50, number + 1)})
    assert path.stat().st_size < 2000 * 17
    path.write_bytes(path.read_bytes() + b"\xff\xfe torn")
    again = GivenFiles(path)
    assert mark_of("4999.jpg", FileState(1, 4999)) in again
    assert mark_of("4999.jpg", FileState(2, 4999)) not in again
    again.keep_only(set())
    assert mark_of("4999.jpg", FileState(1, 4999)) not in again


@pytest.mark.asyncio
async def test_a_memory_that_cannot_be_written_costs_no_frame(tmp_path: Path) -> None:
    drop(tmp_path, "ftp/1.jpg", 1)
    (tmp_path / "file").write_text("no folder")
    assert await taken(tmp_path / "ftp", 1, tmp_path / "file" / "hall") == [content_of(1)]


@pytest.mark.asyncio
async def test_a_capture_time_is_that_of_the_upload_and_never_of_the_future(tmp_path: Path) -> None:
    for name, seconds in (("1.jpg", 1.7e9), ("2.jpg", 1.7e9 + 5), ("3.jpg", time.time() + 1e6)):
        drop(tmp_path, name, 1)
        os.utime(tmp_path / name, (seconds, seconds))
    taker = Taker(open_source(f"watch:{tmp_path}", fps=100))
    playing = asyncio.create_task(taker.run())
    await taker.until(3)
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    assert taker.times_us[:2] == [int(1.7e15), int(1.7e15) + 5_000_000]
    assert taker.times_us[2] == pytest.approx(time.time_ns() // 1000, abs=5e6)


@pytest.mark.asyncio
async def test_the_rate_is_a_pace_and_leaves_nothing_out(tmp_path: Path) -> None:
    for number in range(10):
        drop(tmp_path, f"{number}.jpg", number)
    taker = Taker(open_source(f"watch:{tmp_path}", fps=10))
    playing = asyncio.create_task(taker.run())
    begun = time.monotonic()
    await taker.until(10)
    spent = time.monotonic() - begun
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    assert taker.found == [content_of(number) for number in range(10)]
    assert 0.8 < spent < 2


@pytest.mark.asyncio
async def test_thousands_of_files_are_looked_at_in_parts_and_all_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watched, "MOST_AT_ONCE", 100)
    for number in range(3000):
        (tmp_path / f"{number}.jpg").write_bytes(b"\xff\xd8" + str(number).encode() + b"\xff\xd9")
    source = open_source(f"watch:{tmp_path}", fps=1e6)
    taker = Taker(source)
    playing = asyncio.create_task(taker.run())
    await taker.until(3000, 30)
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    assert taker.found == [b"\xff\xd8" + str(number).encode() + b"\xff\xd9" for number in range(3000)]


def test_a_folder_with_too_many_files_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched, "MOST_FILES", 3)
    for number in range(5):
        drop(tmp_path, f"{number}.jpg", number)
    with pytest.raises(SourceRefused, match="more than 3"):
        next(iter(open_source(f"watch:{tmp_path}").read()))


@pytest.mark.asyncio
async def test_a_file_that_cannot_be_read_is_counted_and_the_others_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pictures, "LARGEST_PICTURE_BYTES", 6000)
    (tmp_path / "1.jpg").write_bytes(bytes(7000))
    drop(tmp_path, "2.jpg", 2)
    source = open_source(f"watch:{tmp_path}", fps=100)
    taker = Taker(source)
    playing = asyncio.create_task(taker.run())
    assert await taker.until(1) == [content_of(2)]
    await asyncio.sleep(0.2)
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    assert source.damaged == 1


@pytest.mark.asyncio
async def test_a_folder_that_goes_away_is_gone_until_it_is_back(tmp_path: Path) -> None:
    folder = tmp_path / "ftp"
    drop(folder, "1.jpg", 1)
    source = lasting_source(f"watch:{folder}", fps=100)
    taker = Taker(source)
    playing = asyncio.create_task(taker.run())
    await taker.until(1)
    folder.rename(tmp_path / "away")
    async with asyncio.timeout(5):
        while source.status.condition().state is not SourceState.GONE:
            await asyncio.sleep(0.02)
    (tmp_path / "away").rename(folder)
    drop(folder, "2.jpg", 2)
    await taker.until(2)
    playing.cancel()
    await asyncio.gather(playing, return_exceptions=True)
    assert taker.found == [content_of(1), content_of(2)]


def test_a_watched_folder_that_is_not_there_is_no_source(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not there"):
        open_source(f"watch:{tmp_path / 'missing'}")
