"""The edge's answer about one frame.

    Receipt --receipt_message--> FrameReceipt --receipt_of--> the same Receipt

Law: every frame that was taken gets exactly one receipt or one refusal.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from shared.contract.geometry import Damage
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
_DAMAGES = {
    Damage.NO_END: frame_pb2.PICTURE_DAMAGE_NO_END,
    Damage.CUT: frame_pb2.PICTURE_DAMAGE_CUT,
    Damage.CORRUPT: frame_pb2.PICTURE_DAMAGE_CORRUPT,
}
_OUTCOMES = {message: outcome for outcome, message in _MESSAGES.items()}

ANSWERED = tuple(_MESSAGES)
"""The outcomes that an edge answers with."""


@dataclass(frozen=True)
class Receipt:
    """The answer about one frame; the numbers are 0 and there are no groups where the frame was not coded.

    sequence: the number that the frame's result carries too. coded_bytes: the size of the whole bitstream.
    rate: the operating point. repeated_post: this very frame had been accepted before.
    damage: what was wrong with the picture of a coded frame.
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
    damage: Damage | None = None


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
        damage=frame_pb2.PICTURE_DAMAGE_UNSPECIFIED if receipt.damage is None else _DAMAGES[receipt.damage],
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
        damage=_damage_of(message),
    )


def _damage_of(message: frame_pb2.FrameReceipt) -> Damage | None:
    for damage, sent in _DAMAGES.items():
        if message.damage == sent:
            return damage
    # A kind that a newer release knows is damage all the same.
    return Damage.CORRUPT if message.damage else None
