"""What replicas write is read back unchanged, under a name that NATS takes."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from cloud_analytics.frames import LoggedFrame
from cloud_analytics.journal.jetstream.messages import (
    Beat,
    SharedCamera,
    SharedFrame,
    beat_bytes,
    beat_of,
    camera_bytes,
    camera_of,
    frame_bytes,
    frame_of,
    wish_bytes,
    wish_of,
)
from cloud_analytics.journal.jetstream.names import Names, as_key, name_in
from cloud_analytics.journal.jetstream.reader import Message
from shared.contract.geometry import Crop, Geometry
from shared.contract.packets import Packet
from shared.contract.wishes import SubscriberWish

names = st.from_regex(r"[A-Za-z0-9._-]{1,64}", fullmatch=True)
KEY = re.compile(r"[-_=a-zA-Z0-9]+")
numbers = st.integers(0, (1 << 62) - 1)


@given(names)
def test_any_camera_s_name_is_one_part_of_a_subject_and_comes_back(name: str) -> None:
    assert KEY.fullmatch(as_key(name))
    subject = Names("taxon").frames_of(name)
    assert subject.count(".") == 2
    assert name_in(subject) == name


@given(st.lists(names, min_size=2, max_size=2, unique=True))
def test_two_cameras_never_share_a_subject(pair: list[str]) -> None:
    assert len({as_key(name) for name in pair}) == 2


@given(names, numbers, numbers, st.binary(max_size=300), st.sampled_from((b"", bytes(26))), numbers)
def test_a_frame_comes_back(
    camera: str, sequence: int, time_us: int, bitstream: bytes, trace: bytes, before: int
) -> None:
    crop = None if before % 2 else Crop(before % 300, 30, 200, 100)
    packet = Packet(camera, sequence, time_us, Geometry(640, 480, 256, 256, crop), bitstream, trace)
    shared = SharedFrame(LoggedFrame(7, packet, bytes(range(32)), time_us), "edge", "replica", before)
    message = Message(7, Names("taxon").frames_of(camera), frame_bytes(shared))
    assert frame_of(message) == shared
    assert len(message.data) <= len(bitstream) + 140, "a frame in the stream costs little more than its bitstream"


@given(names, st.lists(names, max_size=3), st.floats(0, 300))
def test_what_decides_of_a_wish_comes_back(subscription: str, cameras: list[str], hold: float) -> None:
    wish = SubscriberWish(tuple(cameras), ("normal",), hold_seconds=round(hold, 6), subscription_id=subscription)
    entry = wish_of(Message(3, f"$KV.taxon-wishes.{as_key(subscription)}", wish_bytes(wish, "replica")))
    assert entry is not None
    assert (entry.wish, entry.replica_id, entry.position) == (wish, "replica", 3)


def test_cameras_and_beats_come_back() -> None:
    camera = SharedCamera("edge", "replica", 5, 6, 7, 4)
    assert camera_of(Message(1, "$KV.taxon-cameras.door", camera_bytes(camera))) == camera
    assert beat_of(beat_bytes(Beat("replica", 9, leaving=True))) == Beat("replica", 9, leaving=True)


def test_what_is_no_message_is_passed_over() -> None:
    for data in (b"\xff\xff\xff", b"hello"):
        message = Message(1, "taxon.frames.door", data)
        assert (frame_of(message), camera_of(message), wish_of(message), beat_of(data)) == (None,) * 4
