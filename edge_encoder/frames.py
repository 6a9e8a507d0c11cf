"""What travels through the edge, from a camera's post to its receipt.

    Posted --intake, queue--> Waiting --pipeline--> Receipt

Law: every frame that was taken gets exactly one receipt or one refusal.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from enum import StrEnum

from shared.contract.pictures import Picture
from shared.contract.receipts import Outcome, Receipt


class PictureFormat(StrEnum):
    """What a picture came as, by its first bytes; also the label of counters."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    PIXELS = "pixels"
    OTHER = "other"


@dataclass(frozen=True, eq=False)
class Posted:
    """A frame as it came.

    capture_time_us: microseconds since 1970, the edge's clock where the camera did not say. time_given: whether it did.
    trace_context: W3C's, 26 bytes or none.
    """

    camera_id: str
    picture: Picture = field(repr=False)
    capture_time_us: int
    time_given: bool = False
    trace_context: bytes = b""

    @property
    def size_bytes(self) -> int:
        """What it takes in memory."""
        return len(self.picture) if isinstance(self.picture, bytes) else self.picture.nbytes

    @property
    def picture_format(self) -> PictureFormat:
        """What the camera gave; `other` for what the networks will refuse."""
        if not isinstance(self.picture, bytes):
            return PictureFormat.PIXELS
        if self.picture.startswith(b"\xff\xd8"):
            return PictureFormat.JPEG
        if self.picture.startswith(b"\x89PNG"):
            return PictureFormat.PNG
        is_webp = self.picture.startswith(b"RIFF") and self.picture[8:12] == b"WEBP"
        return PictureFormat.WEBP if is_webp else PictureFormat.OTHER


@dataclass(frozen=True, eq=False)
class Waiting:
    """A frame that was taken, and where its answer goes. since_seconds: on the loop's clock, when it was taken."""

    posted: Posted
    answer: asyncio.Future[Receipt]
    since_seconds: float

    def resolve(self, receipt: Receipt) -> None:
        """Answers, unless it was answered (whoever waited may have gone)."""
        if not self.answer.done():
            self.answer.set_result(receipt)

    def refuse(self, error: Exception) -> None:
        """Answers with an error, unless it was answered."""
        if not self.answer.done():
            self.answer.set_exception(error)

    def outcome(self, outcome: Outcome) -> None:
        """Answers that it was not coded."""
        self.resolve(Receipt(self.posted.camera_id, outcome, self.posted.capture_time_us))
