"""The state of a source: what moves it, and what it never does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import NoVideoPackage, SourceError, SourceRefused, SourceStalled
from shared.sources.state import LEAST_STALL_SECONDS, SourceState, SourceStatus, state_of


class Clock:
    """A clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def status(clock: Clock) -> SourceStatus:
    return SourceStatus(clock)


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (SourceError("a", "no route to the host"), SourceState.GONE),
        (SourceRefused("a", "the password is wrong"), SourceState.REFUSED),
        (SourceStalled("a", "nothing came for 10 s"), SourceState.STALLED),
        (NoVideoPackage("a"), SourceState.REFUSED),
    ],
)
def test_each_error_stands_for_a_state(error: SourceError, state: SourceState, status: SourceStatus) -> None:
    assert state_of(error) is state
    status.broke(error)
    assert status.condition().state is state
    assert status.condition().error == error.reason
    assert status.condition().breaks == 1


def test_only_a_frame_makes_a_source_live(status: SourceStatus, clock: Clock) -> None:
    assert status.condition().state is SourceState.CONNECTING
    assert status.condition().frame_age_seconds is None, "a camera that never gave a frame has no last one"
    status.broke(SourceError("a", "away"))
    clock.now += 7
    assert status.condition().state is SourceState.GONE
    assert status.condition().state_seconds == 7
    status.broke(SourceError("a", "still away"))
    assert status.condition().state_seconds == 7, "the second failed attempt is the same outage"
    status.frame()
    assert status.condition().state is SourceState.LIVE
    assert status.condition().error == "still away", "the last error stays to be read"


def test_a_source_that_gives_nothing_has_stalled_and_breaks_once(status: SourceStatus, clock: Clock) -> None:
    status.frame()
    clock.now += LEAST_STALL_SECONDS + 0.1
    assert status.condition().state is SourceState.STALLED
    assert "no frame for 5 s" in status.condition().error
    clock.now += 5
    status.broke(SourceStalled("a", "it stalled: nothing came for 10 s"))
    assert status.condition().breaks == 1, "noticed here and given up there, it is one stall"
    status.broke(SourceStalled("a", "it stalled: nothing came for 10 s"))
    assert status.condition().breaks == 2, "the next attempt stalled too"


def test_the_bound_of_a_stall_fits_the_given_rate(status: SourceStatus, clock: Clock) -> None:
    status.expect(20.0)
    status.frame()
    clock.now += 99
    assert status.condition().state is SourceState.LIVE, "a picture every 20 s is late after 99 s, not stalled"
    clock.now += 2
    assert status.condition().state is SourceState.STALLED


def test_the_bound_of_a_stall_fits_the_rate_that_the_source_shows(status: SourceStatus, clock: Clock) -> None:
    for _ in range(3):
        status.frame()
        clock.now += 4
    clock.now += 15
    assert status.condition().state is SourceState.LIVE
    clock.now += 2
    assert status.condition().state is SourceState.STALLED


def test_a_stall_is_not_learned_as_the_usual_rate(status: SourceStatus, clock: Clock) -> None:
    for _ in range(200):
        status.frame()
        clock.now += 0.1
    clock.now += 3600
    assert status.condition().state is SourceState.STALLED
    for _ in range(200):
        status.frame()
        clock.now += 0.1
    clock.now += LEAST_STALL_SECONDS
    assert status.condition().state is SourceState.STALLED


def test_a_frame_that_waits_for_its_taker_is_no_stall(status: SourceStatus, clock: Clock) -> None:
    status.frame()
    with status.handing_over():
        clock.now += 3600
        assert status.condition().state is SourceState.LIVE, "the taker is slow, not the source"
    assert status.condition().state is SourceState.LIVE
    clock.now += LEAST_STALL_SECONDS + 0.1
    assert status.condition().state is SourceState.STALLED


@given(st.lists(st.sampled_from(["frame", "gone", "stalled", "wait", "damaged", "superseded"])))
def test_the_numbers_never_fall_and_since_is_never_negative(events: list[str]) -> None:
    clock = Clock()
    status = SourceStatus(clock)
    before = status.condition()
    for event in events:
        match event:
            case "frame":
                status.frame()
            case "gone":
                status.broke(SourceError("a", "away"))
            case "stalled":
                status.broke(SourceStalled("a", "nothing came"))
            case "damaged":
                status.damaged()
            case "superseded":
                status.superseded(2)
            case _:
                clock.now += 3
        now = status.condition()
        for name in ("frames", "breaks", "damaged", "superseded"):
            assert getattr(now, name) >= getattr(before, name)
        assert now.state_seconds >= 0
        if now.state in (SourceState.REFUSED, SourceState.GONE, SourceState.STALLED):
            assert now.error, "a source that is not well says why"
        before = now
