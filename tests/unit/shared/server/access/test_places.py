"""Places that callers share: no flood takes what another caller has or is due."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Busy
from shared.server.access.places import SharedPlaces

HOLDERS = ("a", "b", "c", "d")
STEPS = st.lists(
    st.tuples(st.sampled_from(["take", "leave"]), st.sampled_from(HOLDERS), st.integers(0, 6)), max_size=80
)


def test_one_caller_alone_may_have_all_places_and_no_more() -> None:
    places: SharedPlaces[int] = SharedPlaces(3, "walls")
    assert [places.take("a", key) for key in range(3)] == [None] * 3
    with pytest.raises(Busy, match="3 walls are connected"):
        places.take("a", 3)
    assert len(places) == 3
    assert places.take("a", 2) is None, "a key that has its place keeps it"


def test_a_newcomer_gets_the_newest_place_of_who_has_the_most() -> None:
    places: SharedPlaces[str] = SharedPlaces(4, "walls")
    places.take("small", "s0")
    for key in ("g0", "g1", "g2"):
        places.take("greedy", key)
    assert places.take("new", "n0") == "g2"
    assert "g2" not in places
    with pytest.raises(Busy):
        places.take("new", "n1")
    places.leave("g1")
    assert places.take("new", "n1") is None


@given(STEPS, st.integers(1, 8))
def test_no_place_of_an_equal_share_is_ever_taken_away(steps: list[tuple[str, str, int]], most: int) -> None:
    places: SharedPlaces[tuple[str, int]] = SharedPlaces(most, "places")
    taken: dict[tuple[str, int], str] = {}
    for step, holder, number in steps:
        key = (holder, number)
        if step == "leave":
            places.leave(key)
            taken.pop(key, None)
            continue
        before = Counter(taken.values())
        try:
            lost = places.take(holder, key)
        except Busy:
            assert len(taken) == most
            assert all(before[other] <= before[holder] + 1 for other in before)
            continue
        if lost is not None:
            loser = taken.pop(lost)
            assert loser != holder
            assert before[loser] - 1 >= before[holder] + 1, "who loses one still has as many as who gets one"
            assert before[loser] == max(before.values())
        taken[key] = holder
        assert len(places) == len(taken) <= most
        assert all(one in places for one in taken)
