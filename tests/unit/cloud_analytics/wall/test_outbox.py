"""What waits for a page is bounded: pictures are skipped, frames' costs are not."""

from __future__ import annotations

import json
import struct
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from cloud_analytics.wall import WallLimits
from cloud_analytics.wall.limits import Loss
from cloud_analytics.wall.outbox import MOST_FRAMES, PageOutbox
from tests.unit.cloud_analytics.wall.frames import classes, frame, picture


def texts(messages: list[str | bytes]) -> list[dict[str, Any]]:
    return [json.loads(message) for message in messages if isinstance(message, str)]


def pictures(messages: list[str | bytes]) -> list[tuple[str, int, bytes]]:
    """(task, sequence, file) of every picture in the binary messages."""
    found = []
    for message in messages:
        if isinstance(message, bytes):
            (length,) = struct.unpack(">I", message[:4])
            offset = 4 + length
            for entry in json.loads(message[4:offset])["pictures"]:
                found.append((entry["task"], entry["sequence"], message[offset : offset + entry["bytes"]]))
                offset += entry["bytes"]
            assert offset == len(message)
    return found


def test_the_newest_picture_goes_and_every_frames_bytes_count() -> None:
    outbox = PageOutbox(WallLimits())
    for sequence in (1, 2, 3):
        outbox.add(frame(sequence, picture(png=b"p%d" % sequence), classes(label=f"room {sequence}")))
    sent = outbox.take(0.0)
    (message,) = texts(sent)
    assert [(one["sequence"], one["bytes"]) for one in message["frames"]] == [(1, 100), (2, 100), (3, 100)]
    assert message["classes"]["class_scene"]["classes"] == [{"label": "room 3", "probability": 0.75}]
    assert pictures(sent) == [("normal", 3, b"p3")]


def test_a_camera_is_due_five_times_a_second_and_delays_no_other() -> None:
    outbox = PageOutbox(WallLimits())
    outbox.add(frame(1, picture()))
    assert outbox.wait_seconds(10.0) == 0.0
    outbox.take(10.0)
    assert outbox.wait_seconds(10.0) is None, "nothing waits"
    outbox.add(frame(2, picture()))
    assert abs((outbox.wait_seconds(10.05) or 0) - 0.15) < 1e-6
    assert outbox.take(10.1) == []
    outbox.add(frame(1, picture(), camera="door"))
    assert outbox.wait_seconds(10.1) == 0.0
    assert {message["camera"] for message in texts(outbox.take(10.1))} == {"door"}
    assert {message["camera"] for message in texts(outbox.take(10.2))} == {"kitchen"}


def test_a_frame_that_comes_over_two_subscriptions_counts_once_and_gives_both_results() -> None:
    outbox = PageOutbox(WallLimits())
    outbox.add(frame(7, classes()))
    outbox.add(frame(7, picture()))
    sent = outbox.take(0.0)
    (message,) = texts(sent)
    assert len(message["frames"]) == 1
    assert "class_scene" in message["classes"]
    assert pictures(sent) == [("normal", 7, b"png")]


def test_pictures_wait_until_earlier_ones_were_seen_and_frames_do_not() -> None:
    outbox = PageOutbox(WallLimits(most_unseen_bytes=1000))
    outbox.add(frame(1, picture(png=b"x" * 1000)))
    (binary,) = [message for message in outbox.take(0.0) if isinstance(message, bytes)]
    outbox.add(frame(2, picture(png=b"2")))
    assert outbox.wait_seconds(1.0) == 0.0
    sent = outbox.take(1.0)
    assert (len(texts(sent)), pictures(sent)) == (1, [])
    assert outbox.wait_seconds(2.0) is None, "nothing that may go"
    outbox.add(frame(3, picture(png=b"3")))
    outbox.seen(len(binary) - 1)
    assert pictures(outbox.take(2.0)) == [("normal", 3, b"3")], "the newest, as soon as there is room"


def test_a_page_cannot_claim_to_have_seen_what_was_never_sent() -> None:
    outbox = PageOutbox(WallLimits(most_unseen_bytes=1000))
    outbox.seen(1 << 40)
    for sequence in (1, 2):
        outbox.add(frame(sequence, picture(png=b"x" * 1000)))
        sent = outbox.take(float(sequence))
    assert pictures(sent) == []


def test_with_little_room_every_camera_has_its_turn() -> None:
    outbox = PageOutbox(WallLimits(most_unseen_bytes=1))
    turns = []
    for sequence in range(1, 7):
        for name in ("a", "b", "c"):
            outbox.add(frame(sequence, picture(), camera=name))
        outbox.seen(1 << 40)
        sent = outbox.take(float(sequence))
        (binary,) = [message for message in sent if isinstance(message, bytes)]
        turns.append(json.loads(binary[4 : 4 + struct.unpack(">I", binary[:4])[0]])["camera"])
    assert sorted(turns) == ["a", "a", "b", "b", "c", "c"]


def test_an_older_frame_replaces_nothing() -> None:
    outbox = PageOutbox(WallLimits())
    outbox.add(frame(8, picture(png=b"new")))
    outbox.add(frame(7, picture(png=b"old")))
    assert pictures(outbox.take(0.0)) == [("normal", 8, b"new")]


def test_control_messages_of_one_kind_take_each_others_place_and_go_first() -> None:
    outbox = PageOutbox(WallLimits())
    outbox.add(frame(1))
    outbox.put("pong", '{"type":"pong","at":1}')
    outbox.put("pong", '{"type":"pong","at":2}')
    assert [(one["type"], one.get("at")) for one in texts(outbox.take(0.0))] == [("pong", 2), ("frames", None)]


def test_more_cameras_than_are_shown_take_no_memory() -> None:
    outbox = PageOutbox(WallLimits(most_cameras=2))
    for name in ("a", "b", "c"):
        outbox.add(frame(1, picture(), camera=name))
    assert {message["camera"] for message in texts(outbox.take(0.0))} == {"a", "b"}


def test_whatever_a_page_does_not_get_is_counted_with_its_reason() -> None:
    lost: list[Loss] = []
    outbox = PageOutbox(WallLimits(most_cameras=1), lost.append)
    outbox.add(frame(1, picture(), classes()))
    outbox.add(frame(1, picture()))
    assert lost == [], "the same frame over two subscriptions"
    outbox.add(frame(2, picture()))
    outbox.add(frame(3, classes()))
    outbox.add(frame(1, picture(), camera="door"))
    assert lost == ["superseded_picture", "superseded_classes", "too_many_cameras"]
    for sequence in range(4, 4 + MOST_FRAMES):
        outbox.add(frame(sequence))
    assert lost[3:] == ["slow_page"] * 3


@given(st.integers(0, 3 * MOST_FRAMES))
def test_a_page_that_reads_nothing_makes_nothing_grow_and_hears_what_it_lost(frames: int) -> None:
    outbox = PageOutbox(WallLimits())
    for sequence in range(frames):
        outbox.add(frame(sequence, picture()))
    sent = outbox.take(0.0)
    told = [message for message in texts(sent) if message["type"] == "lost"]
    kept = sum(len(message["frames"]) for message in texts(sent) if message["type"] == "frames")
    assert kept <= MOST_FRAMES
    assert kept + sum(message["frames"] for message in told) == frames
    assert len(pictures(sent)) == min(1, frames)
