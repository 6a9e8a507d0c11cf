"""A replica counts its own beats to tell who lives: never another machine's clock, and not while NATS is away."""

from __future__ import annotations

import asyncio

import pytest

from cloud_analytics.journal.jetstream.link import Link
from cloud_analytics.journal.jetstream.members import BEAT_SECONDS, LEASE_BEATS, STUCK_SECONDS, Members
from cloud_analytics.journal.jetstream.messages import Beat
from tests.support.cloud import metrics, value

WINDOW = 100


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Heard:
    """Members that hear what they are told; the link is never opened."""

    def __init__(self) -> None:
        self.clock, self.metrics = Clock(), metrics()
        self.link = Link(["nats://127.0.0.1:1"], "test", self.metrics)
        self.members = Members(self.link, "taxon.alive", "me", WINDOW, self.metrics, self.clock)
        self.changes = 0
        self.members.listen(self._count)

    def beats(self, count: int, *others: str, position: int = 0) -> None:
        """Let so many seconds pass in which this replica and those others beat."""
        for _ in range(count):
            self.clock.seconds += BEAT_SECONDS
            for name in others:
                self.members.hear(Beat(name, position, leaving=False))
            self.members.hear(Beat("me", position, leaving=False))

    def _count(self) -> None:
        self.changes += 1


def test_a_silent_replica_is_dead_after_its_lease_and_a_beating_one_is_not() -> None:
    heard = Heard()
    heard.beats(3, "other", "third")
    assert heard.members.alive("other")
    heard.beats(LEASE_BEATS - 1, "third")
    assert heard.members.alive("other")
    heard.beats(2, "third")
    assert not heard.members.alive("other")
    assert heard.members.alive("third")
    assert heard.members.alive("me")
    assert heard.changes == 3, "two came, one has died"


def test_nobody_dies_while_this_replica_hears_not_even_itself() -> None:
    heard = Heard()
    heard.beats(1, "other")
    heard.clock.seconds += 3600
    assert heard.members.alive("other"), "NATS was away"
    heard.link.generation += 1
    heard.beats(LEASE_BEATS, position=1)
    assert heard.members.alive("other"), "it has as long again to find its way back"
    heard.beats(LEASE_BEATS + 2)
    assert not heard.members.alive("other")


def test_beats_that_come_all_at_once_count_as_one() -> None:
    heard = Heard()
    heard.beats(1, "other")
    for _ in range(50):
        heard.members.hear(Beat("me", 0, leaving=False))
    assert heard.members.alive("other")


def test_who_leaves_is_gone_at_once_and_who_is_named_has_its_lease() -> None:
    heard = Heard()
    heard.members.named("named")
    heard.beats(1, "other")
    heard.members.hear(Beat("other", 0, leaving=True))
    assert not heard.members.alive("other")
    assert heard.members.alive("named")
    heard.beats(LEASE_BEATS + 1)
    assert not heard.members.alive("named")
    assert value(heard.metrics, "taxon_cloud_replicas") == 1


@pytest.mark.asyncio
async def test_appends_wait_for_a_replica_that_is_behind_and_comes_on() -> None:
    heard = Heard()
    heard.beats(1, "slow", position=1)
    heard.beats(1, "slow", position=10)
    await asyncio.wait_for(heard.members.kept_up(10 + WINDOW), 1)
    waiting = asyncio.create_task(heard.members.kept_up(11 + WINDOW))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    heard.beats(1, "slow", position=11)
    await asyncio.wait_for(waiting, 1)
    assert value(heard.metrics, "taxon_cloud_bus_waits_total") == 1


@pytest.mark.asyncio
async def test_nobody_waits_for_a_replica_that_stands_still() -> None:
    heard = Heard()
    heard.beats(1, "stuck", position=1)
    heard.clock.seconds += STUCK_SECONDS + 1
    heard.beats(1, "stuck", position=1)
    await asyncio.wait_for(heard.members.kept_up(10 * WINDOW), 1)
