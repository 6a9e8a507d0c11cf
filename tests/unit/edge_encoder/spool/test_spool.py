from __future__ import annotations

import resource
import signal
import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from structlog.testing import capture_logs

from edge_encoder.frames import FrameRef, KnownCamera
from edge_encoder.spool.database import FRAME_OVERHEAD_BYTES, SPOOL
from edge_encoder.spool.spool import RECEIPTS_KEPT, CodedFrame, Spool
from shared.contract.geometry import Crop, Geometry
from shared.errors import DiskFull, FolderError
from shared.server.sqlite_file import open_sqlite
from tests.support.uptime import Machine

DIGEST, OTHER = bytes(32), bytes([1]) * 32
NOW = 1_772_366_400.25
GEOMETRY = Geometry(640, 480, 256, 256)


def coded(camera: str = "a", number: int = 0, size: int = 100, given: bool = True) -> CodedFrame:
    bits = bytes([number % 256]) * size
    ref = replace(FrameRef.of(KnownCamera(camera), bits, 1_000_000 + number, b"t" * 26), time_given=given)
    return CodedFrame(ref, GEOMETRY, bits, 1, ("semantic", "geometry"))


def opened(folder: Path, machine: Machine | None = None, **bounds: Any) -> Spool:
    on = machine or Machine(NOW)
    most_bytes, most_age_seconds = bounds.get("most_bytes", 1 << 20), bounds.get("most_age_seconds", 3600.0)
    return Spool(folder, most_bytes, most_age_seconds, clock=on.now, uptime=on.uptime)


@pytest.fixture
def spool(tmp_path: Path) -> Any:
    made = opened(tmp_path)
    yield made
    made.close()


def sequences(spool: Spool) -> list[int]:
    return [one.packet.sequence for one in spool.read_after(0, 1000)]


def test_a_cameras_sequences_begin_at_the_milliseconds_and_rise_by_one(spool: Spool) -> None:
    receipts = spool.append(DIGEST, [coded("a", 0), coded("b", 0), coded("a", 1)])
    start = round(NOW * 1000)
    assert [(one.camera_id, one.sequence) for one in receipts] == [("a", start), ("b", start), ("a", start + 1)]
    assert (receipts[0].coded_bytes, receipts[0].rate, receipts[0].groups) == (100, 1, ("semantic", "geometry"))


def test_a_camera_that_comes_back_begins_above_whatever_another_edge_gave_it_meanwhile(tmp_path: Path) -> None:
    machine = Machine(NOW)
    here, there = opened(tmp_path / "here", machine), opened(tmp_path / "there", machine)
    given = [here.append(DIGEST, [coded()])[0].sequence]
    machine.pass_seconds(60)
    given += [there.append(DIGEST, [coded(number=number)])[0].sequence for number in range(3)]
    machine.pass_seconds(60)
    given += [here.append(DIGEST, [coded(number=3)])[0].sequence]
    machine.of_day -= 3600
    given += [here.append(DIGEST, [coded(number=4)])[0].sequence]
    here.close()
    there.close()
    assert given == sorted(set(given)), "a clock that goes back changes nothing"
    assert given[-1] == given[-2] + 1


def test_a_pause_forgets_no_receipt(tmp_path: Path) -> None:
    machine = Machine(NOW)
    spool = opened(tmp_path, machine)
    spool.append(DIGEST, [coded(number=number) for number in range(3)])
    machine.pass_seconds(60)
    spool.append(DIGEST, [coded(number=3)])
    assert [one.receipt.capture_time_us for one in spool.receipts()] == [1_000_000, 1_000_001, 1_000_002, 1_000_003]
    spool.close()


def test_what_was_kept_comes_back_whole_and_in_order(spool: Spool) -> None:
    spool.append(DIGEST, [coded("a", 0), coded("b", 1, 7)])
    spool.append(OTHER, [coded("a", 2)])
    found = spool.read_after(0, 10)
    assert [one.bundle_digest for one in found] == [DIGEST, DIGEST, OTHER]
    packet = found[1].packet
    assert (packet.camera_id, packet.capture_time_us, packet.geometry) == ("b", 1_000_001, GEOMETRY)
    assert (packet.bitstream, packet.trace_context) == (bytes([1]) * 7, b"t" * 26)
    assert spool.read_after(found[0].row, 1) == found[1:2]


def test_a_crop_is_kept_with_its_frame_and_goes_with_it(tmp_path: Path) -> None:
    cropped = Geometry(640, 480, 256, 256, Crop(40, 30, 200, 100))
    with closing(Spool(tmp_path, 1 << 20, 1e9)) as spool:
        receipts = spool.append(DIGEST, [replace(coded("a", 0), geometry=cropped), coded("a", 1)])
        assert [one.packet.geometry for one in spool.read_after(0, 9)] == [cropped, GEOMETRY]
    with closing(Spool(tmp_path, 1 << 20, 1e9)) as spool:
        assert spool.read_after(0, 1)[0].packet.geometry == cropped, "also after a restart"
        spool.delete_acked([("a", receipts[1].sequence)])
    with closing(sqlite3.connect(tmp_path / SPOOL.file)) as found:
        assert found.execute("SELECT count(*) FROM crops").fetchone() == (0,)


def test_a_spool_of_a_release_without_crops_is_read_and_that_release_reads_what_this_one_writes(tmp_path: Path) -> None:
    earlier = replace(SPOOL, additions="")
    open_sqlite(tmp_path, earlier).close()
    with closing(Spool(tmp_path, 1 << 20, 1e9)) as spool:
        spool.append(DIGEST, [replace(coded(), geometry=Geometry(640, 480, 256, 256, Crop(40, 30, 200, 100)))])
    with closing(open_sqlite(tmp_path, earlier)) as found:
        sizes = found.main.execute("SELECT picture_width, picture_height, input_width FROM frames").fetchall()
        assert sizes == [(200, 100, 256)], "it takes the crop for the whole picture"
        found.main.execute("DELETE FROM frames")
        assert found.main.execute("SELECT count(*) FROM crops").fetchone() == (0,)


def test_an_ack_deletes_the_cameras_frames_up_to_it(spool: Spool) -> None:
    receipts = spool.append(DIGEST, [coded("a", i) for i in range(3)] + [coded("b", 0)])
    assert len(spool.delete_acked([("a", receipts[1].sequence), ("nobody", 5)])) == 2
    assert [(one.packet.camera_id, one.packet.sequence) for one in spool.read_after(0, 9)] == [
        ("a", receipts[2].sequence),
        ("b", receipts[3].sequence),
    ]
    assert (spool.state().frames, spool.state().bytes) == (2, 2 * (100 + FRAME_OVERHEAD_BYTES))


def test_a_second_opening_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    first = opened(tmp_path)
    kept = first.append(DIGEST, [coded("a", 0), coded("a", 1)])
    first.keep_wish(b"wish")
    assert first.edge_id("edge-1") == "edge-1"
    row = first.read_after(0, 9)[-1].row
    first.delete_acked([("a", kept[-1].sequence)])
    first.close()
    second = opened(tmp_path)
    assert (second.wish(), second.edge_id("edge-2")) == (b"wish", "edge-1")
    assert (second.state().frames, second.state().bytes, second.state().oldest_at_us) == (0, 0, None)
    assert second.append(DIGEST, [coded("a", 2)])[0].sequence == kept[-1].sequence + 1
    assert second.read_after(0, 9)[0].row > row, "a row is never used twice"
    second.close()


def test_receipts_outlive_their_frames_so_that_repeated_posts_are_known(tmp_path: Path) -> None:
    first = opened(tmp_path)
    receipts = first.append(DIGEST, [coded("a", i) for i in range(RECEIPTS_KEPT + 5)] + [coded("b", 1, given=False)])
    first.delete_acked([("a", receipts[-2].sequence)])
    first.close()
    second = opened(tmp_path)
    kept = second.receipts()
    assert [one.receipt for one in kept] == receipts[5:-1]
    assert kept[0].picture_digest == coded("a", 5).ref.picture_digest
    second.close()


def test_a_camera_that_was_forgotten_gets_no_sequence_again_even_when_the_clock_went_back(tmp_path: Path) -> None:
    machine = Machine(NOW)
    first = opened(tmp_path, machine)
    (old,) = first.append(DIGEST, [coded("a", 0)])
    first.delete_acked([("a", old.sequence)])
    first.close()
    machine.pass_seconds(40 * 86400)
    opened(tmp_path, machine).close()
    machine.of_day = NOW - 1000
    second = opened(tmp_path, machine)
    assert second.receipts() == []
    assert second.append(DIGEST, [coded("a", 0)])[0].sequence == old.sequence + 1
    second.close()


def test_over_the_bound_the_oldest_go_and_are_counted_and_logged_once_a_minute(tmp_path: Path) -> None:
    one_frame = 100 + FRAME_OVERHEAD_BYTES
    spool = opened(tmp_path, most_bytes=3 * one_frame)
    with capture_logs() as logs:
        kept = [spool.append(DIGEST, [coded("a", i)])[0].sequence for i in range(7)]
    assert sequences(spool) == kept[4:]
    state = spool.state()
    assert (state.frames, state.bytes) == (3, 3 * one_frame)
    assert spool.take_dropped() == {("a", "bytes"): 4}
    assert [(one["log_level"], one["frames"], one["bound"]) for one in logs] == [("warning", 1, "bytes")]
    assert "the spool is full" in logs[0]["event"]
    spool.close()


def test_what_is_dropped_is_told_once_by_camera_and_bound(tmp_path: Path) -> None:
    machine = Machine(NOW)
    spool = opened(tmp_path, machine, most_bytes=3 * (100 + FRAME_OVERHEAD_BYTES), most_age_seconds=60.0)
    for camera in ("a", "a", "b", "a", "b"):
        spool.append(DIGEST, [coded(camera, 0)])
    assert spool.take_dropped() == {("a", "bytes"): 2}
    machine.pass_seconds(61)
    with capture_logs() as logs:
        spool.expire()
    assert spool.take_dropped() == {("a", "age"): 1, ("b", "age"): 2}
    assert [(one["frames"], one["bound"]) for one in logs] == [(3, "age")]
    assert "too old" in logs[0]["event"], "the line names the bound that was hit"
    assert "full" not in logs[0]["event"]
    assert spool.take_dropped() == {}
    spool.close()


def test_an_ack_says_how_long_each_frame_was_kept(tmp_path: Path) -> None:
    machine = Machine(NOW)
    spool = opened(tmp_path, machine)
    spool.append(DIGEST, [coded("a", 0)])
    machine.pass_seconds(2)
    (second,) = spool.append(DIGEST, [coded("a", 1)])
    machine.pass_seconds(0.5)
    assert spool.delete_acked([("a", second.sequence)]) == pytest.approx([2.5, 0.5])
    spool.close()


def test_frames_over_their_age_go(tmp_path: Path) -> None:
    machine = Machine(NOW)
    spool = opened(tmp_path, machine, most_age_seconds=60.0)
    spool.append(DIGEST, [coded("a", 0)])
    machine.pass_seconds(50)
    kept = spool.append(DIGEST, [coded("a", 1)])
    machine.pass_seconds(20)
    spool.expire()
    assert sequences(spool) == [kept[0].sequence]
    assert spool.take_dropped() == {("a", "age"): 1}
    spool.close()


def test_a_folder_belongs_to_one_process(tmp_path: Path, spool: Spool) -> None:
    with pytest.raises(FolderError, match="is in use by another edge"):
        opened(tmp_path)


def test_a_folder_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderError, match="name another folder with --data"):
        opened(tmp_path / "file" / "below")


@pytest.mark.parametrize("damage", ["header", "page", "text"])
def test_a_damaged_file_is_set_aside_and_a_new_one_begun(tmp_path: Path, damage: str) -> None:
    first = opened(tmp_path)
    first.append(DIGEST, [coded("a", i) for i in range(300)])
    first.close()
    path = tmp_path / "spool.sqlite"
    data = bytearray(path.read_bytes())
    if damage == "text":
        data = bytearray(b"not a database at all, but long enough to look like one" * 100)
    else:
        start = 0 if damage == "header" else 4096 * 4
        data[start : start + 600] = bytes([0xA5]) * 600
    path.write_bytes(data)
    with capture_logs() as logs:
        second = opened(tmp_path, Machine(NOW + 1))
    assert [one["log_level"] for one in logs] == ["error"]
    assert second.append(DIGEST, [coded("a", 1)])[0].sequence == round((NOW + 1) * 1000), "above all that were given"
    assert len(list(tmp_path.glob("spool.sqlite.damaged-*"))) == 1
    second.close()


def test_a_spool_of_a_newer_release_is_left_alone(tmp_path: Path) -> None:
    opened(tmp_path).close()
    connection = sqlite3.connect(tmp_path / "spool.sqlite")
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(FolderError, match="version 9"):
        opened(tmp_path)


def test_a_full_disk_is_busy_and_nothing_of_the_batch_is_kept(tmp_path: Path, spool: Spool) -> None:
    before = spool.append(DIGEST, [coded("a", 0)])
    limits, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    largest = max(path.stat().st_size for path in tmp_path.iterdir()) + 8192
    resource.setrlimit(resource.RLIMIT_FSIZE, (largest, limits[1]))
    try:
        with pytest.raises(DiskFull, match="the edge's disk takes nothing more"):
            spool.append(DIGEST, [coded("a", i, 50_000) for i in range(1, 9)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert (spool.state().frames, sequences(spool)) == (1, [before[0].sequence])
    assert spool.append(DIGEST, [coded("a", 9)])[0].sequence == before[0].sequence + 1


actions = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.lists(st.sampled_from("abc"), min_size=1, max_size=4)),
        st.tuples(st.just("ack"), st.tuples(st.sampled_from("abc"), st.integers(-1, 12))),
        st.tuples(st.just("open"), st.none()),
    ),
    max_size=20,
)


@given(actions)
def test_whatever_happens_the_spool_holds_what_was_kept_and_not_acknowledged(
    tmp_path_factory: pytest.TempPathFactory, done: list[tuple[str, Any]]
) -> None:
    folder = tmp_path_factory.mktemp("spool")
    spool = opened(folder)
    expected: list[tuple[str, int]] = []
    given_out: set[tuple[str, int]] = set()
    start = round(NOW * 1000)
    for kind, what in done:
        if kind == "append":
            receipts = spool.append(DIGEST, [coded(name) for name in what])
            names = [(one.camera_id, one.sequence) for one in receipts]
            assert given_out.isdisjoint(names)
            given_out.update(names)
            expected += names
        elif kind == "ack":
            spool.delete_acked([(what[0], start + what[1])])
            expected = [one for one in expected if one[0] != what[0] or one[1] > start + what[1]]
        else:
            spool.close()
            spool = opened(folder)
        assert [(one.packet.camera_id, one.packet.sequence) for one in spool.read_after(0, 999)] == expected
        assert spool.state().bytes == len(expected) * (100 + FRAME_OVERHEAD_BYTES)
    spool.close()
