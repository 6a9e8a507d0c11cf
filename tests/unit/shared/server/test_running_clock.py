from __future__ import annotations

import time

from hypothesis import given
from hypothesis import strategies as st

from shared.server.running_clock import RunningClock, Uptime, system_uptime
from tests.support.uptime import Machine


def test_it_counts_what_passes_and_not_what_the_time_of_day_is_set_to() -> None:
    machine = Machine()
    clock = RunningClock("", machine.uptime)
    assert clock.now_us() == 0
    machine.pass_seconds(1.5)
    machine.of_day -= 1e8
    assert clock.now_us() == 1_500_000
    assert clock.now() == 1.5


def test_within_one_boot_the_time_between_two_processes_counts() -> None:
    machine = Machine()
    first = RunningClock("", machine.uptime)
    machine.pass_seconds(10)
    kept = first.kept()
    machine.pass_seconds(90)
    assert RunningClock(kept, machine.uptime).now() == 100


def test_of_another_boot_only_its_own_time_counts() -> None:
    machine = Machine()
    first = RunningClock("", machine.uptime)
    machine.pass_seconds(10)
    kept = first.kept()
    machine.reboot(uptime_seconds=7)
    assert RunningClock(kept, machine.uptime).now() == 17


def test_where_the_system_tells_no_boot_nothing_is_counted_between_two_processes() -> None:
    assert RunningClock("5000000 99000000 ", lambda: Uptime("", 400_000_000)).now() == 5


def test_a_text_that_says_nothing_begins_at_zero() -> None:
    for text in ("", "x", "1", "-5 7 boot", "1.5 7 boot", "5  boot"):
        assert RunningClock(text, Machine().uptime).now_us() == 0


def test_the_systems_uptime_goes_on_and_names_its_boot() -> None:
    uptime = system_uptime()
    first = uptime()
    time.sleep(0.01)
    second = uptime()
    assert second.boot == first.boot
    assert 0 < second.since_boot_us - first.since_boot_us < 60_000_000


@given(st.lists(st.tuples(st.sampled_from(["pass", "restart", "reboot"]), st.integers(0, 10**6)), max_size=20))
def test_it_never_falls_and_never_counts_more_than_what_passed(happened: list[tuple[str, int]]) -> None:
    machine = Machine()
    clock, really, before_us = RunningClock("", machine.uptime), 0, 0
    for what, seconds in happened:
        really += seconds
        if what == "reboot":
            kept = clock.kept()
            machine.reboot(uptime_seconds=min(seconds, 30))
            clock = RunningClock(kept, machine.uptime)
        else:
            kept = clock.kept()
            machine.pass_seconds(seconds)
            clock = RunningClock(kept, machine.uptime) if what == "restart" else clock
        assert before_us <= clock.now_us() <= really * 1_000_000
        before_us = clock.now_us()
