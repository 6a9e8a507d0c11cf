"""One subscriber's queue drops its own oldest frames, and tells each loss once, before the frames that follow it."""

from __future__ import annotations

import hypothesis.strategies as st
from hypothesis import given

from cloud_analytics.frames import LoggedFrame, Lost
from cloud_analytics.results.subscriber_queue import UNKNOWN_LOSS, SubscriberQueue
from shared.contract.geometry import Geometry
from shared.contract.packets import Packet
from tests.support.cloud import logged, metrics, value

MOST = 4


def frame(position: int) -> LoggedFrame:
    return logged(Packet("hall", position, 0, Geometry(320, 240, 256, 256), b"bits"), bytes(32), position)


def drained(queue: SubscriberQueue) -> list[int | str]:
    """All that waits: positions of frames, and the numbers of lost ones as text."""
    found: list[int | str] = []
    while (one := queue.take()) is not None:
        found.append(f"lost {one.frames}" if isinstance(one, Lost) else one.position)
    return found


@given(st.lists(st.booleans(), max_size=40))
def test_every_frame_is_given_once_and_in_order_or_counted(steps: list[bool]) -> None:
    counted = metrics()
    queue = SubscriberQueue(MOST, counted)
    put, given_, lost = 0, [], 0
    for is_put in [*steps, *[False] * (MOST + 1)]:
        if is_put:
            queue.put(frame(put))
            put += 1
            assert queue.waiting_frames <= MOST
            continue
        one = queue.take()
        if isinstance(one, Lost):
            lost += one.frames
        elif one is not None:
            given_.append(one.position)
    assert given_ == sorted(set(given_))
    assert len(given_) + lost == put
    assert value(counted, "taxon_cloud_results_dropped_total", reason="slow_subscriber") == lost
    assert not queue


def test_losses_are_told_first_and_add_up_until_they_are_told() -> None:
    queue = SubscriberQueue(MOST, metrics())
    for position in range(MOST + 2):
        queue.put(frame(position))
    queue.lose(3, "journal_bound")
    assert drained(queue) == ["lost 5", 2, 3, 4, 5]


def test_an_unknown_loss_stays_apart_from_what_was_counted() -> None:
    queue = SubscriberQueue(MOST, metrics())
    queue.lose_uncounted()
    queue.lose(2, "journal_bound")
    assert drained(queue) == [f"lost {UNKNOWN_LOSS}", "lost 2"]


def test_a_replay_is_queued_whole() -> None:
    queue = SubscriberQueue(MOST, metrics())
    queue.put_replay([frame(position) for position in range(MOST * 2)])
    assert drained(queue) == list(range(MOST * 2))
