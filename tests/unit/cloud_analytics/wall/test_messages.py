"""What the page may say, and what it is refused for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cloud_analytics.wall.messages import Ping, SeenPictures, Want, frames_message, read_message
from cloud_analytics.wall.switches import Wants
from shared.contract.geometry import Crop, Geometry
from shared.errors import BadRequest, TooLarge
from tests.unit.cloud_analytics.wall.frames import frame

LIMIT = 32 << 10


def test_switches_become_wants() -> None:
    text = '{"type":"want","new_cameras":["normal"],"cameras":{"kitchen":["class_scene","normal"],"door":[]}}'
    message = read_message(text, LIMIT)
    assert isinstance(message, Want)
    cameras = {"kitchen": frozenset({"class_scene", "normal"}), "door": frozenset[str]()}
    assert message.wants() == Wants(frozenset({"normal"}), cameras)


def test_a_ping_keeps_its_time() -> None:
    assert read_message('{"type":"ping","at":12.5}', LIMIT) == Ping(type="ping", at=12.5)


def test_pictures_that_were_seen_are_counted_in_bytes() -> None:
    assert read_message('{"type":"seen","bytes":12345}', LIMIT) == SeenPictures(type="seen", bytes=12345)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "[]",
        "{}",
        '{"type":"shout"}',
        '{"type":"ping"}',
        '{"type":"ping","at":NaN}',
        '{"type":"ping","at":1,"more":2}',
        '{"type":"seen","bytes":-1}',
        '{"type":"want","new_cameras":[]}',
        '{"type":"want","new_cameras":"normal","cameras":{}}',
        '{"type":"want","new_cameras":[],"cameras":{"":[]}}',
        json.dumps({"type": "want", "new_cameras": [f"t{i}" for i in range(65)], "cameras": {}}),
        json.dumps({"type": "want", "new_cameras": [], "cameras": {f"c{i}": [] for i in range(257)}}),
    ],
)
def test_anything_else_is_refused_with_a_reason(text: str) -> None:
    with pytest.raises(BadRequest, match="not a message of the wall"):
        read_message(text, LIMIT)


def test_length_is_counted_in_bytes_before_anything_is_parsed() -> None:
    with pytest.raises(TooLarge, match="at most 32768"):
        read_message('"' + "ä" * LIMIT, LIMIT)


@given(st.text() | st.recursive(st.none() | st.floats() | st.text(), lambda x: st.dictionaries(st.text(), x)))
def test_no_text_at_all_breaks_it(said: Any) -> None:
    with pytest.raises(BadRequest):
        read_message(said if isinstance(said, str) else json.dumps(said), 1 << 20)


def test_a_card_has_the_shape_of_what_was_coded() -> None:
    whole = frame(1)
    cropped = replace(
        whole, packet=replace(whole.packet, geometry=Geometry(640, 480, 256, 256, Crop(40, 30, 200, 100)))
    )
    sizes = [
        (one["width"], one["height"]) for one in json.loads(frames_message("kitchen", [whole, cropped], []))["frames"]
    ]
    assert sizes == [(640, 480), (200, 100)]
