"""The cameras' file is followed: whichever way it changes it is taken, and one that is broken changes nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge_encoder.cameras import watch
from edge_encoder.cameras.book import PlanBook
from edge_encoder.cameras.file import CamerasFile
from edge_encoder.cameras.watch import FileWatch
from shared.errors import SettingsRefused


@asynccontextmanager
async def watched(path: Path) -> AsyncIterator[tuple[FileWatch, PlanBook, list[bool]]]:
    file, shown = CamerasFile(None, path), list[bool]()
    book = PlanBook(filed=file.read())
    follows = FileWatch(file, book, shown.append)
    runs = asyncio.create_task(follows.run())
    try:
        yield follows, book, shown
    finally:
        runs.cancel()
        await asyncio.gather(runs, return_exceptions=True)


async def until(done: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not done():
            await asyncio.sleep(0.01)


@pytest.mark.asyncio
async def test_every_way_of_changing_it_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.02)
    # As Kubernetes mounts it: a link to a file below a link to a folder, which is swapped.
    for number in (1, 2):
        folder = tmp_path / f"..{number}"
        folder.mkdir()
        folder.joinpath("cameras.toml").write_text(f"[cameras.hall]\nrate = {number}\n")
    (tmp_path / "..data").symlink_to("..1")
    path = tmp_path / "cameras.toml"
    path.symlink_to("..data/cameras.toml")
    async with watched(path) as (follows, book, shown):

        def rate() -> int | None:
            plan = book.plan("hall")
            return None if plan is None else plan.rate

        assert rate() == 1
        (tmp_path / "..new").symlink_to("..2")
        (tmp_path / "..new").replace(tmp_path / "..data")
        await until(lambda: rate() == 2)
        other = tmp_path / "other"
        other.write_text("[cameras.hall]\nrate = 3\n")
        other.replace(path)
        await until(lambda: rate() == 3)
        path.write_text("[cameras.hall]\nrate = 4\n[cameras.door]\n")
        await until(lambda: rate() == 4)
        assert list(book.entries) == ["door", "hall"]
        # Broken, gone, and mended.
        path.write_text("[cameras.hall]\nrate = 99\n")
        await until(lambda: shown[-1])
        assert (rate(), list(book.entries)) == (4, ["door", "hall"])
        path.unlink()
        await asyncio.sleep(0.1)
        assert rate() == 4
        path.write_text("[cameras.hall]\nrate = 5\n")
        await until(lambda: rate() == 5)
        assert (shown[-1], list(book.entries)) == (False, ["hall"])
        # At SIGHUP it is read at once, and says what is wrong.
        monkeypatch.setattr(watch, "LOOK_SECONDS", 60.0)
        await asyncio.sleep(0.05)
        path.write_text("[cameras.hall]\nrate = 6\n")
        await follows.reload()
        assert rate() == 6
        path.write_text("[cameras.hall]\nrte = 6\n")
        with pytest.raises(SettingsRefused, match="line 2: camera hall: rte"):
            await follows.reload()


@pytest.mark.asyncio
async def test_a_file_that_is_still_written_is_left_until_it_rests(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watch, "LOOK_SECONDS", 0.1)
    path = tmp_path / "cameras.toml"
    path.write_text("[cameras.a]\n[cameras.b]\n")
    async with watched(path) as (_, book, shown):
        told: list[str] = []
        book.on_change(told.append)
        # Each state of it would be a good file without some of its cameras.
        with path.open("w") as file:
            for line in ("[cameras.a]\n", "rate = 1\n", "[cameras.b]\n", "[cameras.c]\n") * 1:
                file.write(line)
                file.flush()
                await asyncio.sleep(0.06)
        await until(lambda: "c" in book.entries)
        assert (told, shown) == (["a", "c"], [False])
