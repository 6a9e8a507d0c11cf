"""The moments of frames for any time stamps, and which of them are taken."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shared.sources.thinning import Thinning
from shared.sources.timeline import LONGEST_GAP_SECONDS, Timeline

STEP = 0.04
stamps = st.lists(
    st.none() | st.floats(-1e6, 1e6) | st.integers(-20, 20).map(lambda ticks: ticks * STEP), min_size=1, max_size=80
)
rates = st.floats(0.05, 200)


def moments_of(found: Sequence[float | None], begin: float = 0.0) -> list[float]:
    timeline = Timeline(STEP, begin)
    return [timeline.shown(stamp) for stamp in found]


@given(stamps, st.floats(0, 1e5))
@example([None] * 5, 0.0)
@example([0.0] * 50, 0.0)
@example([9.0 - STEP * index for index in range(60)], 0.0)
def test_each_frame_has_a_moment_of_its_own_and_no_jump_of_the_stamps_holds_it_up(
    found: list[float | None], begin: float
) -> None:
    moments = moments_of(found, begin)
    assert moments[0] == begin
    steps = [after - before for before, after in itertools.pairwise(moments)]
    assert all(0 < step <= LONGEST_GAP_SECONDS + 1e-6 for step in steps)


@given(st.lists(st.floats(0.001, LONGEST_GAP_SECONDS - 0.001), max_size=50), st.floats(-1e5, 1e5))
def test_stamps_that_rise_keep_their_distances(steps: list[float], begin: float) -> None:
    found = list(itertools.accumulate(steps, initial=begin))
    assert moments_of(found) == pytest.approx([stamp - begin for stamp in found], abs=1e-6)


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        ([5.0, 5.04, 5.08, 0.0, 0.04], [0, 0.04, 0.08, 0.12, 0.16]),
        ([0.0, 0.04, 7200.0, 7200.04], [0, 0.04, 0.08, 0.12]),
        ([3.0, 2.96, 2.92, 2.88], [0, 0.04, 0.08, 0.12]),
        ([None, None, None], [0, 0.04, 0.08]),
        ([0.0, None, 0.08, None, 0.16], [0, 0.04, 0.08, 0.12, 0.16]),
        ([0.0, 0.0, 0.0, 0.1, 0.1, 0.2], [0, 0.04, 0.08, 0.1, 0.14, 0.2]),
        ([0.0, 0.5, 2.0, 2.04], [0, 0.5, 2.0, 2.04]),
    ],
    ids=["starts again", "jumps ahead", "runs backwards", "missing", "half missing", "coarse clock", "variable rate"],
)
def test_stamps_of_each_kind(found: list[float | None], expected: list[float]) -> None:
    assert moments_of(found) == pytest.approx(expected)


def test_an_hour_of_a_coarse_clock_takes_an_hour() -> None:
    found = [round(index * STEP, 1) for index in range(90_000)]
    assert moments_of(found)[-1] == pytest.approx(3600, abs=0.1)


def taken_of(moments: Sequence[float], fps: float | None) -> list[int]:
    thinning, before, taken = Thinning(fps), STEP, []
    for index, moment in enumerate(moments):
        distance = moment - moments[index - 1] if index else STEP
        if thinning.takes(moment, max(distance, before)):
            taken.append(index)
        before = distance
    return taken


@given(stamps)
def test_without_a_rate_every_frame_is_taken(found: list[float | None]) -> None:
    assert taken_of(moments_of(found), None) == list(range(len(found)))


@given(stamps, rates)
def test_every_frame_that_is_due_is_taken_and_no_more_than_the_rate(found: list[float | None], fps: float) -> None:
    moments = moments_of(found)
    taken = taken_of(moments, fps)
    assert taken[0] == 0
    for last, after in itertools.pairwise([*taken, len(moments)]):
        passed_over = moments[last + 1 : after]
        assert all(moment - moments[last] < 1.5 / fps + 1e-5 for moment in passed_over)
    # The frame nearest to a wanted moment may come half a step early.
    assert len(taken) <= (moments[-1] - moments[0]) * fps + 2


@given(st.lists(st.floats(-0.005, 0.005), min_size=2, max_size=200), st.sampled_from([1, 2, 5]))
def test_jitter_neither_loses_nor_doubles_a_frame(jitter: list[float], every: int) -> None:
    moments = [index * STEP + late for index, late in enumerate(jitter)]
    assert taken_of(moments, 1 / (every * STEP)) == list(range(0, len(moments), every))


def test_the_nearest_frame_of_a_variable_rate_is_taken() -> None:
    slow, fast = [index / 3 for index in range(15)], [5 + index / 60 for index in range(300)]
    moments = [*slow, *fast]
    taken = [moments[index] for index in taken_of(moments, 1.0)]
    assert taken == pytest.approx(list(range(10)), abs=1e-6)


def test_after_a_gap_there_is_no_rush() -> None:
    moments = [0.0, 0.5, 60.0, 60.1, 60.2, 61.0]
    assert [moments[index] for index in taken_of(moments, 1.0)] == [0.0, 60.0, 61.0]
