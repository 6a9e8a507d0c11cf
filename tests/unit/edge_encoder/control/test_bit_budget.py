from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_encoder.control.bit_budget import BitBudget, Budget, Choice

GROUPS = ("semantic",)
SIZES = {0: 800, 1: 1200, 2: 1800, 3: 2600}
"""Bits by operating point."""


def played(budget: Budget, fps: float, seconds: float, sizes: dict[int, int] = SIZES) -> list[tuple[float, int, int]]:
    """(time, rate, bits) of every frame that was sent."""
    control, sent = BitBudget(list(sizes)), []
    for number in range(round(fps * seconds)):
        now = number / fps
        choice = control.choose("a", GROUPS, budget, now)
        if choice is not None and control.settle(choice, sizes[choice.rate], now):
            sent.append((now, choice.rate, sizes[choice.rate]))
    return sent


def test_an_ample_budget_gets_the_highest_operating_point() -> None:
    sent = played(Budget.of(1000, 2), 10, 10)
    assert len(sent) == 100
    assert {rate for _, rate, _ in sent[20:]} == {3}


@pytest.mark.parametrize("kbps", [9.0, 13.0, 17.0, 22.0])
def test_a_budget_between_two_points_is_used_up_by_mixing_them(kbps: float) -> None:
    sent = [one for one in played(Budget.of(kbps, 2), 10, 120) if one[0] >= 60]
    spent = sum(bits for _, _, bits in sent) / 60
    assert len(sent) == 600, "every frame is sent, at some operating point"
    assert 0.9 * 1000 * kbps <= spent <= 1000 * kbps * 1.02


def test_below_the_lowest_point_frames_are_left_out_evenly() -> None:
    sent = [now for now, rate, _ in played(Budget.of(4, 2), 10, 120) if now >= 60]
    assert 270 <= len(sent) <= 300, "half of the frames fit 4 kbit/s at 800 bits each"
    assert max(later - now for now, later in zip(sent, sent[1:])) <= 0.5


def test_frames_on_their_way_are_counted() -> None:
    control, budget = BitBudget([0]), Budget(1000, 8192)
    first = control.choose("a", GROUPS, budget, 0)
    assert first is not None
    assert control.settle(first, 5000, 0)
    second = control.choose("a", GROUPS, budget, 0)
    assert second is None, "5500 expected bits do not fit what is left"
    assert control.choose("b", GROUPS, budget, 0) is not None, "each camera has its own bucket"


def test_a_frame_that_comes_out_too_large_is_not_sent_and_given_back_bits_are_free_again() -> None:
    control, budget = BitBudget([0]), Budget(1000, 8192)
    choice = control.choose("a", GROUPS, budget, 0)
    assert choice is not None
    assert not control.settle(choice, 9000, 0)
    full = control.choose("a", GROUPS, budget, 10)
    assert full is not None, "a full bucket is always tried, or a wrong expectation would never be put right"
    assert control.choose("a", GROUPS, budget, 10) is None
    control.give_back(full)
    assert control.choose("a", GROUPS, budget, 10) is not None


steps = st.lists(st.tuples(st.floats(-0.5, 3), st.integers(1, 12000), st.integers(0, 2)), max_size=60)


@given(steps, st.floats(0.1, 50), st.floats(0.1, 5))
def test_no_window_ever_holds_more_than_its_budget_and_the_burst(
    frames: list[tuple[float, int, int]], kbps: float, burst_seconds: float
) -> None:
    budget = Budget.of(kbps, burst_seconds)
    control = BitBudget([0, 1, 2])
    now, latest = 0.0, 0.0
    spent: list[tuple[float, int]] = []
    open_choices: list[Choice] = []
    for step, bits, waits in frames:
        now = max(0.0, now + step)
        latest = max(latest, now)
        if (choice := control.choose("a", GROUPS, budget, now)) is not None:
            open_choices.append(choice)
        while len(open_choices) > waits:
            if control.settle(open_choices.pop(0), bits, now):
                spent.append((latest, bits))
    for first, (begin, _) in enumerate(spent):
        total = 0
        for end, bits in spent[first:]:
            total += bits
            assert total <= budget.bits_per_second * (end - begin) + budget.burst_bits + 1e-6


def test_a_budget_that_is_changed_again_and_again_is_no_way_around_it() -> None:
    control, spent = BitBudget([0]), 0
    for number in range(100):
        budget = Budget(1000.0 + number % 2, 8192.0)
        choice = control.choose("a", GROUPS, budget, number / 10)
        if choice is not None and control.settle(choice, 1000, number / 10):
            spent += 1000
    assert spent <= 1001 * 10 + 8192


def test_a_camera_has_a_highest_point_of_its_own() -> None:
    control, budget = BitBudget(list(SIZES)), Budget.of(1000, 2)
    bounded = control.choose("a", GROUPS, budget, 0, highest=1)
    assert bounded is not None
    assert bounded.rate == 1
    low = control.choose("b", GROUPS, budget, 0, highest=-1)
    assert low is not None
    assert low.rate == 0, "the lowest there is, where the camera asks for less"
    control.forget("b")
    high = control.choose("b", GROUPS, budget, 0)
    assert high is not None
    assert high.rate == 3
