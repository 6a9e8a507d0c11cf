"""The journal's laws: a frame once for good, replay without gap, bounds that count what they take."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_analytics.journal.frame_log import Arrival
from cloud_analytics.journal.local.sqlite_journal import JOURNAL, Journal, open_database
from shared.contract.geometry import Crop, Geometry
from shared.contract.packets import Packet
from shared.errors import BadRequest, FolderError
from shared.server.sqlite_file import open_sqlite
from tests.support.uptime import Machine

DIGEST = bytes(range(32))
SIZE = Geometry(640, 480, 256, 256)


def packet(camera: str, sequence: int, bitstream: bytes = b"bits") -> Packet:
    return Packet(camera, sequence, 1_000 * sequence, SIZE, bitstream, bytes(26))


def arrival(*packets: Packet) -> Arrival:
    return Arrival(packets, DIGEST, "edge-1")


@contextmanager
def opened(
    folder: Path, most_bytes: int = 1 << 30, age_seconds: float = 1e9, machine: Machine | None = None
) -> Iterator[Journal]:
    on = machine or Machine()
    database = open_database(folder, on.uptime)
    try:
        yield Journal(database, most_bytes, age_seconds, on.now)
    finally:
        database.close()


def test_what_was_appended_is_replayed_as_it_was_also_by_the_next_process(tmp_path: Path) -> None:
    sent = [packet("door", 7), packet("hall", 3, b""), packet("door", 9)]
    with opened(tmp_path) as journal:
        appended = journal.append([arrival(*sent)])
        assert [one.packet for one in appended.frames] == sent
        name = journal.id
    with opened(tmp_path) as journal:
        assert journal.id == name
        assert journal.replay(0, journal.head, (), 10).frames == appended.frames
        assert journal.cameras["door"].last_sequence == 9
        assert journal.cameras["hall"].edge_id == "edge-1"


def test_a_crop_is_kept_with_its_frame_and_goes_with_it(tmp_path: Path) -> None:
    open_sqlite(tmp_path, replace(JOURNAL, additions="")).close()  # begun by a release that knew no crops
    cropped = replace(packet("door", 1), geometry=replace(SIZE, crop=Crop(40, 30, 200, 100)))
    machine = Machine()
    with opened(tmp_path, age_seconds=100, machine=machine) as journal:
        journal.append([arrival(cropped, packet("door", 2))])
        machine.pass_seconds(50)
        journal.append([arrival(packet("door", 3))])
    with opened(tmp_path, age_seconds=100, machine=machine) as journal:
        assert [one.packet for one in journal.replay(0, 9, (), 9).frames] == [
            cropped,
            packet("door", 2),
            packet("door", 3),
        ]
        machine.pass_seconds(60)
        assert journal.prune() == (2, 0)
    with closing(sqlite3.connect(tmp_path / JOURNAL.file)) as found:
        assert found.execute("SELECT count(*) FROM crops").fetchone() == (0,)


frames = st.lists(st.tuples(st.sampled_from("abc"), st.integers(1, 12)), max_size=30)


@given(messages=st.lists(frames, max_size=6), reopen=st.booleans())
def test_a_camera_s_frames_are_taken_once_and_rise(messages: list[list[tuple[str, int]]], reopen: bool) -> None:
    last: dict[str, int] = {}
    expected: list[tuple[str, int]] = []
    duplicates = 0
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(Path(folder))
        journal = Journal(database, 1 << 30, 1e9)
        for message in messages:
            for camera, sequence in message:
                if sequence > last.get(camera, 0):
                    last[camera] = sequence
                    expected.append((camera, sequence))
                else:
                    duplicates += 1
            duplicates -= len(journal.append([arrival(*(packet(*frame) for frame in message))]).duplicates)
            if reopen:
                database.close()
                database = open_database(Path(folder))
                journal = Journal(database, 1 << 30, 1e9)
        kept = journal.replay(0, journal.head, (), 1000).frames
        database.close()
    assert [(one.camera_id, one.packet.sequence) for one in kept] == expected
    assert [one.position for one in kept] == list(range(1, len(expected) + 1))
    assert duplicates == 0


@given(
    cameras=st.lists(st.sampled_from("abc"), min_size=1, max_size=40),
    after=st.integers(0, 40),
    keep_after=st.integers(0, 40),
    wanted=st.sets(st.sampled_from("abc")),
    limit=st.integers(1, 10),
)
def test_replay_gives_each_frame_once_in_order_and_counts_what_has_gone(
    cameras: list[str], after: int, keep_after: int, wanted: set[str], limit: int
) -> None:
    machine = Machine()
    after = min(after, len(cameras))
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder), age_seconds=100, machine=machine) as journal:
        for position, camera in enumerate(cameras, start=1):
            if position == keep_after + 1:
                machine.pass_seconds(1000)
            journal.append([arrival(packet(camera, position))])
        aged, crowded = journal.prune()
        gone = keep_after if keep_after < len(cameras) else 0
        assert (aged, crowded) == (gone, 0)
        positions: list[int] = []
        lost, position = 0, after
        while True:
            replay = journal.replay(position, journal.head, sorted(wanted), limit)
            lost += replay.lost
            if not replay.frames:
                break
            positions += [one.position for one in replay.frames]
            position = positions[-1]
    matching = [place for place, camera in enumerate(cameras, 1) if place > after and (not wanted or camera in wanted)]
    assert positions == [place for place in matching if place > gone]
    assert lost == len([place for place in matching if place <= gone])


def test_over_its_bytes_the_oldest_go_and_are_counted(tmp_path: Path) -> None:
    most_bytes = 1 << 20
    with opened(tmp_path, most_bytes) as journal:
        for start in range(0, 3000, 100):
            journal.append([arrival(*(packet("door", start + i + 1, bytes(1000)) for i in range(100)))])
        aged, crowded = journal.prune()
        used, kept = journal.size()
        assert used <= most_bytes
        assert aged == 0
        assert crowded + kept == 3000
        assert kept > 500, "no more goes than must"
        replay = journal.replay(0, journal.head, ("door",), 5000)
        assert replay.lost == crowded
        assert [one.packet.sequence for one in replay.frames] == list(range(crowded + 1, 3001))


def test_positions_and_sequences_are_not_used_again_when_all_frames_have_gone(tmp_path: Path) -> None:
    machine = Machine()
    with opened(tmp_path, age_seconds=10, machine=machine) as journal:
        journal.append([arrival(packet("door", 1), packet("door", 2))])
        machine.pass_seconds(11)
        assert journal.prune() == (2, 0)
    with opened(tmp_path) as journal:
        assert journal.head == 2
        again = journal.append([arrival(packet("door", 2), packet("door", 3))])
        assert [one.position for one in again.frames] == [3]
        assert again.duplicates == ("door",)


def test_a_cursor_names_its_journal(tmp_path: Path) -> None:
    with opened(tmp_path / "a") as journal, opened(tmp_path / "b") as other:
        journal.append([arrival(packet("door", 1))])
        assert journal.position(journal.cursor(1)) == 1
        assert other.position(journal.cursor(1)) is None
        for text in ("", "1", ":1", "x:", f"{journal.id}:-1", f"{journal.id}:2", f"{journal.id}:1 ", "a" * 100 + ":1"):
            with pytest.raises(BadRequest):
                journal.position(text)


@pytest.mark.parametrize("damage", ["not a database", "torn pages"])
def test_a_damaged_file_is_set_aside_and_a_new_journal_begun(tmp_path: Path, damage: str) -> None:
    with opened(tmp_path) as journal:
        journal.append([arrival(*(packet("door", i + 1, bytes(2000)) for i in range(100)))])
        name = journal.id
    path = tmp_path / JOURNAL.file
    content = bytearray(path.read_bytes())
    if damage == "not a database":
        content[:16] = b"no database here"
    else:
        content[8192:] = b"\xa5" * (len(content) - 8192)
    path.write_bytes(content)
    database = open_database(tmp_path)
    journal = Journal(database, 1 << 30, 1e9)
    assert database.file.set_aside is not None
    assert database.file.set_aside.read_bytes() == content
    assert journal.id != name
    assert journal.head == 0
    journal.append([arrival(packet("door", 1))])
    database.close()


def test_two_services_cannot_share_a_folder(tmp_path: Path) -> None:
    with opened(tmp_path), pytest.raises(FolderError, match="in use by another"):
        open_database(tmp_path)


def test_a_folder_that_cannot_be_is_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match="name another folder with --data"):
        open_database(tmp_path / "file" / "data")


def test_a_message_is_written_as_a_whole_or_not_at_all(tmp_path: Path) -> None:
    with opened(tmp_path) as journal:
        broken = Packet("hall", 1, 1, SIZE, None)  # type: ignore[arg-type]
        with pytest.raises(sqlite3.IntegrityError):
            journal.append([arrival(packet("door", 1)), arrival(broken)])
        assert journal.head == 0
        assert journal.cameras == {}
        assert journal.replay(0, 10, (), 10).frames == ()
        assert len(journal.append([arrival(packet("door", 1))]).frames) == 1


YEARS = 365.0 * 86400
jumps = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.just(0.0)),
        st.tuples(st.just("jump"), st.floats(-10 * YEARS, 10 * YEARS)),
        st.tuples(st.just("pass"), st.floats(0.0, 100.0)),
        st.tuples(st.just("restart"), st.floats(0.0, 100.0)),
        st.tuples(st.just("reboot"), st.floats(0.0, 1e6)),
    ),
    max_size=20,
)


@given(jumps)
def test_nothing_is_dropped_before_its_age_has_really_passed_whatever_the_clock_does(
    happened: list[tuple[str, float]],
) -> None:
    machine, really = Machine(of_day=20 * YEARS), 0.0
    appended: list[tuple[int, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        database = open_database(Path(folder), machine.uptime)
        for what, seconds in happened:
            if what == "jump":
                machine.of_day = max(0.0, machine.of_day + seconds)
                continue
            if what == "append":
                journal = Journal(database, 1 << 30, 100.0, machine.now)
                journal.append([arrival(packet("door", len(appended) + 1))])
                appended.append((len(appended) + 1, really))
                continue
            really += seconds
            if what == "pass":
                machine.pass_seconds(seconds)
            else:
                database.close()
                machine.pass_seconds(seconds)
                if what == "reboot":
                    machine.reboot(uptime_seconds=min(seconds, 20.0))
                database = open_database(Path(folder), machine.uptime)
            journal = Journal(database, 1 << 30, 100.0, machine.now)
            journal.prune()
            found = {one.packet.sequence for one in journal.replay(0, journal.head, (), 1000).frames}
            assert {one for one, at in appended if really - at < 99.0} <= found
        database.close()


def test_what_is_too_old_goes_whatever_time_of_day_it_is(tmp_path: Path) -> None:
    machine = Machine()
    with opened(tmp_path, age_seconds=100, machine=machine) as journal:
        journal.append([arrival(packet("door", 1))])
        machine.of_day -= 5 * YEARS
        machine.pass_seconds(60)
        journal.append([arrival(packet("door", 2))])
        machine.pass_seconds(50)
        assert journal.prune() == (1, 0)


def test_frames_of_an_earlier_release_count_from_the_first_start_of_this_one(tmp_path: Path) -> None:
    machine = Machine()
    with closing(open_sqlite(tmp_path, replace(JOURNAL, additions=""))) as earlier:
        earlier.main.execute("INSERT INTO bundles VALUES (1, ?)", (DIGEST,))
        earlier.main.execute("INSERT INTO cameras VALUES (1, 'door', 'edge-1', 5, 0, 0)")
        earlier.main.execute("INSERT INTO frames VALUES (1, 1, 5, 0, 0, 1, 640, 480, 256, 256, x'00', x'')")
    with opened(tmp_path, age_seconds=100, machine=machine) as journal:
        assert journal.prune() == (0, 0)
        machine.pass_seconds(101)
        assert journal.prune() == (1, 0)
