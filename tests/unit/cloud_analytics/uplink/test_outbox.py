"""What the cloud owes an edge, and when it is worth a message."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_analytics.uplink.outbox import UplinkOutbox
from cloud_analytics.wishes import WantedGroups
from shared.contract.geometry import Geometry
from shared.contract.packets import Packet
from shared.contract.uplink_stream import PacketReader, PacketWriter
from tests.support.cloud import settings


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def outbox_of(
    clock: Clock, window: int = 100, interval: float = 1.0, ack_frames: int = 10
) -> tuple[UplinkOutbox, PacketWriter]:
    """An outbox, and the edge's side; 1000 frames of door and hall have been sent."""
    reader, writer = PacketReader(), PacketWriter()
    chosen = settings(credit_frames=window, ack_interval_seconds=interval, ack_frames=ack_frames)
    sizes = Geometry(640, 480, 256, 256)
    for camera in ("door", "hall"):
        reader.packets(writer.request([Packet(camera, sequence, sequence, sizes, b"") for sequence in range(1, 1001)]))
    return UplinkOutbox(reader, chosen, clock), writer


def test_acks_wait_for_one_another_for_an_interval_at_most() -> None:
    clock = Clock()
    outbox, writer = outbox_of(clock)
    assert outbox.due_in() is None
    outbox.add_acks({"door": 1}, 1)
    assert outbox.due_in() == pytest.approx(1.0)
    clock.seconds += 0.6
    outbox.add_acks({"door": 2, "hall": 7}, 2)
    assert outbox.due_in() == pytest.approx(0.4)
    clock.seconds += 0.4
    assert outbox.due_in() == 0
    response = outbox.response()
    assert [writer.acked(ack) for ack in response.acks] == [("door", 2), ("hall", 7)]
    assert outbox.due_in() is None


def test_many_frames_are_acknowledged_at_once_and_the_last_ones_at_the_end() -> None:
    clock = Clock()
    outbox, _ = outbox_of(clock)
    outbox.add_acks({"door": 9}, 9)
    assert outbox.due_in()
    outbox.add_acks({"door": 10}, 1)
    assert outbox.due_in() == 0
    outbox.response()
    outbox.add_acks({"door": 11}, 1)
    outbox.finish()
    assert (outbox.due_in(), outbox.finished) == (0, False)
    outbox.response()
    assert outbox.finished


def test_credit_travels_with_acks_or_when_half_of_the_window_is_owed() -> None:
    outbox, _ = outbox_of(Clock())
    outbox.add_credit(49)
    assert outbox.due_in() is None
    outbox.add_credit(1)
    assert outbox.due_in() == 0
    assert outbox.response().credit == 50


def test_wishes_travel_when_they_differ_from_what_the_edge_was_told() -> None:
    outbox, _ = outbox_of(Clock())
    wanted = WantedGroups(frozenset({"semantic", "geometry"}), {"hall": frozenset({"extra"})})
    outbox.want(wanted)
    assert outbox.due_in() == 0
    message = outbox.response().wanted
    assert list(message.groups_of_all) == ["geometry", "semantic"]
    assert [(one.camera_id, list(one.groups)) for one in message.cameras] == [("hall", ["extra"])]
    outbox.want(wanted)
    assert outbox.due_in() is None
    outbox.want(WantedGroups())
    outbox.want(wanted)
    assert outbox.due_in() is None, "it was changed back before anything was said"
    outbox.want(WantedGroups())
    assert outbox.response().HasField("wanted"), "that nothing is wanted is said too"


@given(st.lists(st.tuples(st.integers(1, 9), st.floats(0, 0.7)), min_size=1, max_size=60))
def test_every_frame_is_acknowledged_and_credited_once_and_no_ack_is_late(arrivals: list[tuple[int, float]]) -> None:
    clock = Clock()
    outbox, writer = outbox_of(clock, window=40)
    sent, credit, told, waits_since = 0, 0, 0, None
    for frames, pause in arrivals:
        sent += frames
        outbox.add_acks({"door": sent}, frames)
        outbox.add_credit(frames)
        waits_since = clock.seconds if waits_since is None else waits_since
        while (due := outbox.due_in()) is not None and due <= pause:
            clock.seconds += due
            response = outbox.response()
            assert waits_since is not None, "nothing waits, and yet something is due"
            assert clock.seconds - waits_since <= 1.0 + 1e-6
            waits_since = None
            credit += response.credit
            told = max([told, *(writer.acked(ack)[1] for ack in response.acks)])
            pause -= due
        clock.seconds += pause
    outbox.finish()
    if not outbox.finished:
        response = outbox.response()
        credit += response.credit
        told = max([told, *(writer.acked(ack)[1] for ack in response.acks)])
    assert (credit, told) == (sent, sent)
    assert outbox.finished
