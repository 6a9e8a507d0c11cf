"""The wishes of subscribers.

    Wish --subscribe_request--> SubscribeRequest --wish_of--> SubscriberWish

Law: wish_of(subscribe_request(id, wish, cursor)) has every field of the wish, to the microsecond; names that repeat are
named once.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from google.protobuf.duration_pb2 import Duration

from shared.contract.packets import MICROSECONDS
from shared.contract.results import Encoding
from shared.errors import BadRequest
from shared.wire import results_pb2

DEFAULT_TOP_CLASSES = 5
NANOSECONDS = 1_000_000_000

_MESSAGES = {Encoding.TENSOR: results_pb2.ENCODING_TENSOR, Encoding.PNG: results_pb2.ENCODING_PNG}
_ENCODINGS = {results_pb2.ENCODING_UNSPECIFIED: Encoding.TENSOR} | {sent: one for one, sent in _MESSAGES.items()}


@dataclass(frozen=True)
class Wish:
    """The frames and results that a subscriber wants.

    cameras: the names of cameras; none means all of them, also those that appear later. tasks: the names of tasks, or none.
    longest_side_pixels: the size of dense results; 0 is the network's own size, which is never enlarged.
    top_classes: the number of the most probable classes. hold_seconds: the time for which the wish outlives a broken
    connection (at most 300).
    """

    cameras: tuple[str, ...] = ()
    tasks: tuple[str, ...] = ()
    encoding: Encoding = Encoding.TENSOR
    longest_side_pixels: int = 0
    top_classes: int = DEFAULT_TOP_CLASSES
    hold_seconds: float = 30.0


@dataclass(frozen=True)
class SubscriberWish(Wish):
    """A wish as the cloud has it, with the subscription that it belongs to.

    cursor: the place of the last result that the client has; empty for "from now on". Unlike a client's wish this one
    does not outlive its connection unless it says so.
    """

    hold_seconds: float = 0.0
    subscription_id: str = field(kw_only=True)
    cursor: str = field(default="", kw_only=True)


def subscribe_request(subscription_id: str, wish: Wish, cursor: str) -> results_pb2.SubscribeRequest:
    """Return a wish as it travels."""
    hold = Duration()
    hold.FromMicroseconds(round(wish.hold_seconds * MICROSECONDS))
    return results_pb2.SubscribeRequest(
        subscription_id=subscription_id,
        camera_ids=wish.cameras,
        tasks=wish.tasks,
        encoding=_MESSAGES[wish.encoding],
        longest_side_pixels=wish.longest_side_pixels,
        top_classes=wish.top_classes,
        cursor=cursor,
        hold=hold,
    )


def wish_of(request: results_pb2.SubscribeRequest) -> SubscriberWish:
    """Return the wish of a request; raises BadRequest for an encoding that this release does not know."""
    if request.encoding not in _ENCODINGS:
        raise BadRequest(f"encoding {request.encoding} is unknown; take ENCODING_TENSOR or ENCODING_PNG")
    return SubscriberWish(
        subscription_id=request.subscription_id,
        cameras=tuple(dict.fromkeys(request.camera_ids)),
        tasks=tuple(dict.fromkeys(request.tasks)),
        encoding=_ENCODINGS[request.encoding],
        longest_side_pixels=request.longest_side_pixels,
        top_classes=request.top_classes or DEFAULT_TOP_CLASSES,
        cursor=request.cursor,
        hold_seconds=(request.hold.seconds * NANOSECONDS + request.hold.nanos) / NANOSECONDS,
    )
