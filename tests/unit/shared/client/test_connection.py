"""When clients try again, how long they wait, and when they give up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.client.connection import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Patience
from shared.errors import Unreachable


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_pauses_are_drawn_from_the_upper_half_of_a_doubling_bound(draws: list[float]) -> None:
    drawn = iter(draws)
    patience = Patience("cloud", None, lambda: 0.0, lambda: next(drawn))
    bound = FIRST_PAUSE_SECONDS
    for _ in draws:
        assert bound / 2 <= patience.pause("it broke") <= bound
        bound = min(2 * bound, LONGEST_PAUSE_SECONDS)


def test_success_makes_the_next_failure_a_first_one() -> None:
    now = 0.0
    patience = Patience("cloud", 10.0, lambda: now, lambda: 1.0)
    for _ in range(5):
        patience.pause("it broke")
    now = 1000.0
    patience.succeeded()
    assert patience.pause("it broke") == FIRST_PAUSE_SECONDS
    now = 1009.0
    patience.pause("it broke")
    assert patience.left(60.0) == pytest.approx(1.0)
    now = 1010.0
    with pytest.raises(Unreachable, match="10 s"):
        patience.pause("it broke")


def test_the_time_before_the_first_success_counts_too() -> None:
    now = 0.0
    patience = Patience("cloud", 3.0, lambda: now)
    now = 3.0
    with pytest.raises(Unreachable, match="it broke"):
        patience.pause("it broke")
