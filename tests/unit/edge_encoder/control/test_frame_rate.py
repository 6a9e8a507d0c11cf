"""A camera's frame rate: its law over every window, no loss to jitter, and a change that holds at once."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from edge_encoder.control.frame_rate import FrameRates


class Clock:
    """Seconds that the test sets."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += seconds


@given(st.floats(0.05, 60), st.lists(st.floats(0, 3), min_size=1, max_size=60))
def test_no_window_has_more_frames_than_the_law_says(rate: float, waits: list[float]) -> None:
    clock, taken = Clock(), list[float]()
    rates = FrameRates(lambda _: rate, clock)
    for seconds in waits:
        clock.advance(seconds)
        if rates.wait_seconds("hall") == 0:
            rates.spend("hall")
            taken.append(clock())
    for first, begin in enumerate(taken):
        for number, end in enumerate(taken[first:], 1):
            assert number <= rate * (end - begin) + 1 + max(0.25, rate / 4) + 1e-6


@given(st.floats(0.1, 30), st.floats(1.0, 3.0), st.lists(st.floats(-0.1, 0.1), min_size=30, max_size=30))
def test_a_camera_that_keeps_the_rate_loses_nothing_to_jitter(rate: float, slower: float, jitter: list[float]) -> None:
    clock = Clock()
    rates = FrameRates(lambda _: rate, clock)
    for number, late in enumerate(jitter):
        clock.now = 1000.0 + (number + 0.2 + late) * slower / rate
        assert rates.wait_seconds("hall") == 0
        rates.spend("hall")


def test_a_camera_that_gives_more_is_thinned_to_its_rate() -> None:
    clock, taken = Clock(), 0
    rates = FrameRates(lambda _: 5.0, clock)
    for _ in range(250):
        if rates.wait_seconds("hall") == 0:
            rates.spend("hall")
            taken += 1
        clock.advance(0.04)
    assert 50 <= taken <= 53


def test_a_change_holds_from_the_next_frame_on_and_cameras_are_apart() -> None:
    clock = Clock()
    limits: dict[str, float | None] = {"hall": 0.01}
    rates = FrameRates(limits.get, clock)
    for _ in range(2):
        rates.spend("hall")
    assert 60 < rates.wait_seconds("hall") <= 200
    assert rates.wait_seconds("door") == 0
    limits["hall"] = 10.0
    assert rates.wait_seconds("hall") <= 0.1 + 1e-6
    limits["hall"] = None
    assert rates.wait_seconds("hall") == 0
    rates.spend("hall")
    limits["hall"] = 0.01
    assert rates.wait_seconds("hall") == 0
    rates.spend("hall")
    rates.spend("hall")
    rates.forget("hall")
    assert rates.wait_seconds("hall") == 0
