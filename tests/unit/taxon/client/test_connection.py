"""When clients try again, how long they wait, and when they give up."""

from __future__ import annotations

import asyncio
import socket

import grpc
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Refused, Unreachable
from taxon.client import _connection as connection
from taxon.client._connection import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, TOLD_SECONDS, Broken, Patience, failure


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


def test_a_service_that_stays_away_is_told_once_and_so_is_its_return(caplog: pytest.LogCaptureFixture) -> None:
    now = 0.0
    patience = Patience("cloud:1", None, lambda: now)
    patience.pause("it broke")
    assert caplog.messages == [], "a short break is nobody's matter"
    for later in (TOLD_SECONDS, 60.0, 3600.0):
        now = later
        patience.pause("it broke")
    patience.succeeded()
    patience.succeeded()
    assert caplog.messages == ["cloud:1: it broke; trying again", "cloud:1 answers"]


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_who_waits_for_a_connection_is_told_before_the_wait_is_over(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection, "TOLD_SECONDS", 0.05)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        target = f"127.0.0.1:{taken.getsockname()[1]}"
        async with grpc.aio.insecure_channel(target) as channel:
            waiting = asyncio.create_task(Patience(target, None).connected(channel, 0.5))
            await asyncio.sleep(0.25)
            assert (waiting.done(), caplog.messages) == (False, [f"{target}: no connection; trying again"])
            with pytest.raises(Broken, match="no connection"):
                await waiting


def test_another_service_at_the_address_is_named_as_the_likely_cause() -> None:
    none = grpc.aio.Metadata()
    error = grpc.aio.AioRpcError(grpc.StatusCode.UNIMPLEMENTED, none, none, "Method not found!")
    found = failure(error)
    assert isinstance(found, Refused)
    assert "another service is at this address" in str(found)
