"""The edge's answer about one frame.

    Receipt --receipt_message--> FrameReceipt --receipt_of--> the same Receipt

Law: every frame that was taken gets exactly one receipt or one refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.contract.packets import time_us_of, timestamp
from shared.errors import BadRequest, Refused
from shared.wire import frame_pb2


class Outcome(StrEnum):
    """The end of a frame at the edge; also the label of counters and the word of the HTTP answer.

    An edge answers with one of `ANSWERED`. A client adds REFUSED, for a frame that was none for this edge.
    """

    CODED = "coded"
    NOT_WANTED = "not_wanted"
    SUPERSEDED = "superseded"
    OVER_BUDGET = "over_budget"
    REFUSED = "refused"


_MESSAGES = {
    Outcome.CODED: frame_pb2.FRAME_OUTCOME_CODED,
    Outcome.NOT_WANTED: frame_pb2.FRAME_OUTCOME_NOT_WANTED,
    Outcome.SUPERSEDED: frame_pb2.FRAME_OUTCOME_SUPERSEDED,
    Outcome.OVER_BUDGET: frame_pb2.FRAME_OUTCOME_OVER_BUDGET,
}
_OUTCOMES = {message: outcome for outcome, message in _MESSAGES.items()}

ANSWERED = tuple(_MESSAGES)
"""The outcomes that an edge answers with."""


@dataclass(frozen=True)
class Receipt:
    """The answer about one frame; the numbers are 0 and there are no groups where the frame was not coded.

    sequence: the number that the frame's result carries too. coded_bytes: the size of the whole bitstream.
    rate: the operating point. repeated_post: this very frame had been accepted before.
    refusal: the reason where the outcome is REFUSED; it does not travel.
    """

    camera_id: str
    outcome: Outcome
    capture_time_us: int
    sequence: int = 0
    coded_bytes: int = 0
    rate: int = 0
    groups: tuple[str, ...] = ()
    repeated_post: bool = False
    refusal: Refused | None = None


def receipt_message(receipt: Receipt) -> frame_pb2.FrameReceipt:
    """Return an edge's receipt as it travels."""
    return frame_pb2.FrameReceipt(
        camera_id=receipt.camera_id,
        outcome=_MESSAGES[receipt.outcome],
        capture_time=timestamp(receipt.capture_time_us),
        sequence=receipt.sequence,
        coded_bytes=receipt.coded_bytes,
        rate=receipt.rate,
        groups=receipt.groups,
        repeated_post=receipt.repeated_post,
    )


def receipt_of(message: frame_pb2.FrameReceipt) -> Receipt:
    """Return a receipt as it came; raises BadRequest for an outcome of a newer release."""
    outcome = _OUTCOMES.get(message.outcome)
    if outcome is None:
        raise BadRequest(f"the edge answers with outcome {message.outcome}, unknown here; update the camera's client")
    return Receipt(
        message.camera_id,
        outcome,
        time_us_of(message.capture_time),
        message.sequence,
        message.coded_bytes,
        message.rate,
        tuple(message.groups),
        message.repeated_post,
    )
