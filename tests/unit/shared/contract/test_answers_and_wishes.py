"""Receipts, wishes and descriptions come back from their messages as they went."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.descriptions import (
    BundleInfo,
    CameraInfo,
    TaskInfo,
    bundle_message,
    bundle_of,
    camera_message,
    camera_of,
)
from shared.contract.packets import LATEST_CAPTURE_TIME_US, time_us_of, timestamp
from shared.contract.receipts import ANSWERED, Outcome, Receipt, receipt_message, receipt_of
from shared.contract.results import Encoding
from shared.contract.wishes import SubscriberWish, Wish, subscribe_request, wish_of
from shared.errors import BadRequest
from shared.wire import frame_pb2, results_pb2

names = st.text("abc.-_9", min_size=1, max_size=8)
times_us = st.integers(0, LATEST_CAPTURE_TIME_US - 1)
numbers = st.integers(0, (1 << 32) - 1)
tuples = st.lists(names, max_size=3, unique=True).map(tuple)


@given(times_us | st.integers(-LATEST_CAPTURE_TIME_US // 1000, 0))
def test_a_time_comes_back(time_us: int) -> None:
    assert time_us_of(timestamp(time_us)) == time_us


@given(st.builds(Receipt, names, st.sampled_from(ANSWERED), times_us, numbers, numbers, numbers, tuples, st.booleans()))
def test_a_receipt_comes_back(receipt: Receipt) -> None:
    assert receipt_of(frame_pb2.FrameReceipt.FromString(receipt_message(receipt).SerializeToString())) == receipt


def test_an_edge_answers_with_every_outcome_but_the_client_s_own() -> None:
    assert set(Outcome) - set(ANSWERED) == {Outcome.REFUSED}


def test_an_outcome_of_a_later_release_is_refused() -> None:
    for outcome in (0, 9):
        with pytest.raises(BadRequest, match=f"outcome {outcome}, unknown here; update the camera's client"):
            receipt_of(frame_pb2.FrameReceipt(outcome=outcome))  # type: ignore[arg-type]


@given(
    st.builds(
        Wish,
        tuples,
        tuples,
        st.sampled_from(Encoding),
        numbers,
        st.integers(1, 1000),
        st.integers(0, 300_000_000).map(lambda us: us / 1e6),
    ),
    names,
    names,
)
def test_a_wish_comes_back_with_its_subscription(wish: Wish, subscription_id: str, cursor: str) -> None:
    sent = subscribe_request(subscription_id, wish, cursor).SerializeToString()
    came = wish_of(results_pb2.SubscribeRequest.FromString(sent))
    assert came == SubscriberWish(**vars(wish), subscription_id=subscription_id, cursor=cursor)


def test_a_request_becomes_a_wish_with_its_defaults() -> None:
    request = results_pb2.SubscribeRequest(subscription_id="a", camera_ids=["x", "y", "x"], tasks=["normal", "normal"])
    assert wish_of(request) == SubscriberWish(("x", "y"), ("normal",), Encoding.TENSOR, 0, 5, 0.0, subscription_id="a")
    request = results_pb2.SubscribeRequest(
        subscription_id="b",
        encoding=results_pb2.ENCODING_PNG,
        longest_side_pixels=64,
        top_classes=2,
        cursor="j:1",
        hold=Duration(seconds=2, nanos=500_000_000),
    )
    assert wish_of(request) == SubscriberWish((), (), Encoding.PNG, 64, 2, 2.5, subscription_id="b", cursor="j:1")


def test_an_encoding_of_a_later_release_is_refused() -> None:
    with pytest.raises(BadRequest, match="encoding 9 is unknown"):
        wish_of(results_pb2.SubscribeRequest(subscription_id="a", encoding=9))  # type: ignore[arg-type]


@given(st.builds(CameraInfo, names, names, st.booleans(), numbers, times_us, times_us))
def test_a_camera_comes_back(camera: CameraInfo) -> None:
    assert camera_of(camera_message(camera)) == camera


def test_a_bundle_comes_back_with_its_tasks() -> None:
    scene = TaskInfo("class_scene", "semantic", "10", "float32", "1", ("attic", "bath"))
    depth = TaskInfo("depth", "geometry", "1,H,W", "float32", "m", overlay=True)
    bundle = BundleInfo("indoor", "2", bytes(range(32)), 256, 128, (scene, depth), ("low", "high"))
    assert bundle_of(bundle_message(bundle)) == bundle
    assert (scene.sides, scene.is_dense) == ((10,), False)
    assert (depth.sides, depth.is_dense) == ((1, "H", "W"), True)
