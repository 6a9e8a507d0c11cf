"""No setting of the time of day loses a frame: ages are counted by what really passed."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_encoder.frames import FrameRef, KnownCamera
from edge_encoder.spool.database import SPOOL
from edge_encoder.spool.spool import CodedFrame, Spool
from shared.contract.geometry import Geometry
from shared.contract.receipts import Receipt
from shared.server.sqlite_file import open_sqlite
from tests.support.uptime import Machine

DIGEST = bytes(32)
YEARS = 365.0 * 86400
AGE_SECONDS = 3600.0


def opened(folder: Path, machine: Machine) -> Spool:
    return Spool(folder, 1 << 24, AGE_SECONDS, clock=machine.now, uptime=machine.uptime)


def append(spool: Spool, machine: Machine, camera: str = "hall") -> Receipt:
    ref = FrameRef.of(KnownCamera(camera), b"picture", round(machine.of_day * 1e6))
    frame = CodedFrame(ref, Geometry(640, 480, 256, 256), b"bits", 1, ("semantic",))
    return spool.append(DIGEST, [frame])[0]


def kept(spool: Spool) -> list[int]:
    return [one.packet.sequence for one in spool.read_after(0, 10_000)]


@pytest.mark.parametrize("jump", [5 * YEARS, -5 * YEARS, 8 * 86400.0, -8 * 86400.0])
@pytest.mark.parametrize("restart", ["none", "restart", "reboot"])
def test_what_was_accepted_under_the_wrong_clock_is_there_under_the_right_one(
    tmp_path: Path, jump: float, restart: str
) -> None:
    machine = Machine()
    spool = opened(tmp_path, machine)
    accepted = [append(spool, machine).sequence for _ in range(3)]
    machine.of_day += jump
    if restart != "none":
        spool.close()
        machine.pass_seconds(30)
        if restart == "reboot":
            machine.reboot()
        spool = opened(tmp_path, machine)
    spool.expire()
    accepted += [append(spool, machine).sequence for _ in range(3)]
    assert kept(spool) == accepted
    assert accepted == sorted(set(accepted)), "the cloud takes a sequence that does not rise for a repetition"
    assert spool.take_dropped() == {}
    spool.close()


def test_a_capture_time_of_the_wrong_clock_stays_as_the_camera_was_told(tmp_path: Path) -> None:
    machine = Machine(of_day=86400.0)
    with closing(opened(tmp_path, machine)) as spool:
        receipt = append(spool, machine)
        machine.of_day += 50 * YEARS
        assert spool.read_after(0, 1)[0].packet.capture_time_us == receipt.capture_time_us == 86_400_000_000


def test_over_a_restart_the_time_that_really_passed_counts(tmp_path: Path) -> None:
    machine = Machine()
    spool = opened(tmp_path, machine)
    append(spool, machine)
    spool.close()
    machine.pass_seconds(AGE_SECONDS + 1)
    machine.of_day -= 5 * YEARS
    with closing(opened(tmp_path, machine)) as spool:
        spool.expire()
        assert kept(spool) == [], "one boot of the machine: the uptime says how long nothing ran"


def test_a_spool_that_was_killed_counts_on_from_its_last_frame(tmp_path: Path) -> None:
    machine = Machine()
    killed = opened(tmp_path, machine)
    append(killed, machine)
    machine.pass_seconds(1000)
    copy = tmp_path / "copy"
    copy.mkdir()
    for path in tmp_path.glob("spool.sqlite*"):
        (copy / path.name).write_bytes(path.read_bytes())
    with closing(opened(copy, machine)) as spool:
        assert spool.now_us() - (spool.state().oldest_at_us or 0) == 1_000_000_000
    killed.close()


def test_the_time_of_a_machine_that_was_off_does_not_count(tmp_path: Path) -> None:
    machine = Machine()
    spool = opened(tmp_path, machine)
    accepted = append(spool, machine).sequence
    spool.close()
    machine.of_day += 30 * 86400
    machine.reboot(uptime_seconds=60)
    with closing(opened(tmp_path, machine)) as spool:
        assert kept(spool) == [accepted]
        assert spool.now_us() - (spool.state().oldest_at_us or 0) == 60_000_000
        machine.pass_seconds(AGE_SECONDS)
        spool.expire()
        assert kept(spool) == []


def test_receipts_and_cameras_are_not_forgotten_for_a_jump(tmp_path: Path) -> None:
    machine = Machine()
    with closing(opened(tmp_path, machine)) as spool:
        first = append(spool, machine)
        spool.delete_acked([("hall", first.sequence)])
    machine.of_day += 5 * YEARS
    with closing(opened(tmp_path, machine)) as spool:
        assert [one.receipt for one in spool.receipts()] == [first], "its repetition would be coded twice"


def test_frames_of_an_earlier_release_count_from_the_first_start_of_this_one(tmp_path: Path) -> None:
    machine = Machine()
    with closing(open_sqlite(tmp_path, replace(SPOOL, additions=""))) as earlier:
        earlier.main.execute("INSERT INTO cameras VALUES (1, 'hall', 8, 0)")
        earlier.main.execute("INSERT INTO receipts VALUES (1, 7, 5, 4, 1, 'semantic')")
        earlier.main.execute("INSERT INTO frames VALUES (1, 1, 7, 5, ?, 640, 480, 256, 256, x'00', x'', 0)", (DIGEST,))
    with closing(opened(tmp_path, machine)) as spool:
        spool.expire()
        assert kept(spool) == [7]
        (one,) = spool.receipts()
        assert (one.receipt.sequence, one.picture_digest) == (7, b"")
        assert append(spool, machine).sequence == 8
        machine.pass_seconds(AGE_SECONDS + 1)
        spool.expire()
        assert kept(spool) == []
    with closing(sqlite3.connect(tmp_path / SPOOL.file)) as found:
        assert found.execute("SELECT count(*) FROM frame_times").fetchone() == (0,)


events = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.just(0.0)),
        st.tuples(st.just("jump"), st.floats(-10 * YEARS, 10 * YEARS)),
        st.tuples(st.just("pass"), st.floats(0.0, AGE_SECONDS)),
        st.tuples(st.just("restart"), st.floats(0.0, AGE_SECONDS)),
        st.tuples(st.just("reboot"), st.floats(0.0, 30 * 86400.0)),
        st.tuples(st.just("expire"), st.just(0.0)),
    ),
    max_size=25,
)


@given(events)
def test_nothing_is_dropped_before_its_age_has_really_passed_whatever_the_clocks_do(
    tmp_path_factory: pytest.TempPathFactory, happened: list[tuple[str, float]]
) -> None:
    folder, machine = tmp_path_factory.mktemp("spool"), Machine(of_day=20 * YEARS)
    spool = opened(folder, machine)
    really = running = 0.0
    accepted: list[tuple[int, float, float]] = []
    for what, seconds in happened:
        if what == "append":
            accepted.append((append(spool, machine).sequence, really, running))
        elif what == "jump":
            machine.of_day = max(0.0, machine.of_day + seconds)
        elif what == "pass":
            machine.pass_seconds(seconds)
            really, running = really + seconds, running + seconds
        elif what == "restart":
            spool.close()
            machine.pass_seconds(seconds)
            really, running = really + seconds, running + seconds
            spool = opened(folder, machine)
        elif what == "reboot":
            spool.close()
            machine.reboot(uptime_seconds=min(seconds, 20.0))
            really, running = really + seconds, running + min(seconds, 20.0)
            spool = opened(folder, machine)
        else:
            spool.expire()
        found = kept(spool)
        within = [sequence for sequence, at, _ in accepted if really - at <= AGE_SECONDS - 1]
        assert [one for one in found if one in set(within)] == within, "nothing goes before its time"
        assert sorted(found) == found
    assert len({one for one, _, _ in accepted}) == len(accepted), "no sequence is given twice"
    spool.expire()
    too_old = {sequence for sequence, _, at in accepted if running - at >= AGE_SECONDS + 1}
    assert too_old.isdisjoint(kept(spool)), "what is too old by the time that ran does go"
    spool.close()
