"""The book of cameras: who owns which, what is refused, who is told, and that a restart changes nothing."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_encoder.cameras.book import BookEntry, Origin, PlanBook
from edge_encoder.cameras.kept import KeptFile, KeptPlans
from edge_encoder.cameras.plan import CameraPlan
from shared.errors import BadName, BadRequest, Busy, DiskFull, OwnedElsewhere, TaxonError, UnknownCamera

NAMES = ["a", "b", "c", "d", "e"]
MOST = 4


def test_the_api_adds_changes_and_removes_its_own_cameras(tmp_path: Path) -> None:
    async def work() -> None:
        book, told = PlanBook(kept=KeptFile(tmp_path)), list[str]()
        book.on_change(told.append)
        added = await book.put(CameraPlan("hall", most_fps=2.0))
        assert added == BookEntry(CameraPlan("hall", most_fps=2.0), Origin.API)
        await book.put(CameraPlan("hall", most_fps=2.0))
        assert told == ["hall"], "what changes nothing is told to nobody"
        await book.pause("hall", paused=True)
        assert book.plan("hall") == CameraPlan("hall", most_fps=2.0, paused=True)
        await book.remove("hall")
        assert told == ["hall"] * 3
        assert (book.entry("hall"), book.plan("hall"), dict(book.entries)) == (None, None, {})
        with pytest.raises(UnknownCamera):
            await book.remove("hall")
        with pytest.raises(BadName):
            await book.pause("no/name", paused=True)

    asyncio.run(work())


@pytest.mark.parametrize("origin", [Origin.COMMAND_LINE, Origin.FILE])
def test_another_origin_s_camera_is_only_paused_and_resumed(tmp_path: Path, origin: Origin) -> None:
    plans = [CameraPlan("hall", source="x"), CameraPlan("door", paused=True)]

    def opened() -> PlanBook:
        named = (plans, []) if origin is Origin.COMMAND_LINE else ([], plans)
        return PlanBook(*named, kept=KeptFile(tmp_path))

    async def work() -> None:
        book = opened()
        for change in (book.put(CameraPlan("hall")), book.remove("hall")):
            with pytest.raises(OwnedElsewhere, match=r"hall is set in the edge's c.* change it there"):
                await change
        await book.pause("hall", paused=True)
        assert book.entry("hall") == BookEntry(replace(plans[0], paused=True), origin, held=True)
        assert opened().entry("hall") == book.entry("hall"), "a pause outlives a restart"
        await book.pause("hall", paused=False)
        assert book.entry("hall") == BookEntry(plans[0], origin)
        with pytest.raises(OwnedElsewhere):
            await book.pause("door", paused=False)

    asyncio.run(work())


def test_the_file_takes_cameras_over_and_never_wakes_a_paused_one(tmp_path: Path) -> None:
    async def work() -> None:
        book = PlanBook([CameraPlan("line")], kept=KeptFile(tmp_path))
        await book.put(CameraPlan("hall", rate=1, paused=True))
        assert await book.take_file([CameraPlan("hall", rate=2), CameraPlan("door")]) == ("door", "hall")
        assert book.entry("hall") == BookEntry(CameraPlan("hall", rate=2, paused=True), Origin.FILE, held=True)
        with pytest.raises(BadRequest, match="camera line: the command line names it already"):
            await book.take_file([CameraPlan("line"), CameraPlan("new")])
        assert list(book.entries) == ["door", "hall", "line"]
        # Whoever paused it did not ask for it to go on once the file names it no more.
        assert await book.take_file([CameraPlan("door")]) == ("hall",)
        assert book.entry("hall") == BookEntry(CameraPlan("hall", paused=True), Origin.API)
        assert await book.take_file([CameraPlan("door")]) == ()

    asyncio.run(work())


def test_there_are_no_more_cameras_than_the_bound(tmp_path: Path) -> None:
    async def work() -> None:
        book = PlanBook([CameraPlan("line")], most=2, kept=KeptFile(tmp_path))
        await book.put(CameraPlan("hall"))
        with pytest.raises(Busy, match="2 cameras already"):
            await book.put(CameraPlan("door"))
        await book.put(CameraPlan("hall", rate=0))
        with pytest.raises(Busy):
            await book.take_file([CameraPlan("one"), CameraPlan("two")])
        assert list(book.entries) == ["hall", "line"]

    asyncio.run(work())


def test_what_the_disk_does_not_take_changes_nothing(tmp_path: Path) -> None:
    class FullFile(KeptFile):
        def write(self, kept: KeptPlans) -> None:
            raise DiskFull("no room")

    async def work() -> None:
        book, told = PlanBook(filed=[CameraPlan("door")], kept=FullFile(tmp_path)), list[str]()
        book.on_change(told.append)
        with pytest.raises(DiskFull):
            await book.put(CameraPlan("hall"))
        with pytest.raises(DiskFull):
            await book.pause("door", paused=True)
        assert (told, dict(book.entries)) == ([], {"door": BookEntry(CameraPlan("door"), Origin.FILE)})

    asyncio.run(work())


plans = st.builds(
    CameraPlan,
    camera_id=st.sampled_from(NAMES),
    source=st.none() | st.just("folder"),
    paused=st.booleans(),
    most_fps=st.none() | st.sampled_from([1.0, 2.5]),
)
steps = st.lists(
    st.tuples(st.sampled_from(["put", "remove", "pause", "resume"]), plans)
    | st.tuples(st.just("file"), st.lists(plans, max_size=3, unique_by=lambda plan: plan.camera_id))
    | st.tuples(st.just("restart"), st.none()),
    max_size=25,
)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_whatever_is_done_a_restart_finds_the_same_book_and_each_change_was_told(
    steps: list[tuple[str, object]],
) -> None:
    async def work(folder: Path) -> None:
        filed: list[CameraPlan] = []
        shown: dict[str, BookEntry] = {}

        def opened() -> PlanBook:
            book = PlanBook([CameraPlan("e", rate=1)], filed, MOST, KeptFile(folder))
            book.on_change(lambda name: mirror(book, name))
            return book

        def mirror(book: PlanBook, name: str) -> None:
            shown.pop(name, None)
            if (entry := book.entry(name)) is not None:
                shown[name] = entry

        book = opened()
        shown |= book.entries
        for kind, told in steps:
            before = dict(book.entries)
            try:
                if kind == "restart":
                    book = opened()
                elif isinstance(told, list):
                    await book.take_file(told)
                    filed[:] = told
                elif isinstance(told, CameraPlan):
                    await _done(book, kind, told)
            except TaxonError:
                assert book.entries == before, "a refused change changes nothing"
            assert book.entries == shown, "whoever listens knows the same"
            assert len(book.entries) <= MOST
            for plan in filed:
                assert book.entries[plan.camera_id].origin is Origin.FILE
            again = opened()
            assert again.entries == book.entries, "a restart changes nothing"

    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(work(Path(folder)))


async def _done(book: PlanBook, kind: str, plan: CameraPlan) -> None:
    kinds: dict[str, Callable[[], object]] = {
        "put": lambda: book.put(plan),
        "remove": lambda: book.remove(plan.camera_id),
        "pause": lambda: book.pause(plan.camera_id, paused=True),
        "resume": lambda: book.pause(plan.camera_id, paused=False),
    }
    work = kinds[kind]()
    assert asyncio.iscoroutine(work)
    await work
