"""The records that travel through the edge with a frame, from a camera's post to its receipt.

    picture, FrameRef --admission--> QueuedFrame --pipeline--> (job, payload) of each stage --> Receipt

A stage takes the frame's reference beside its payload and hands both on, so that no record wraps the one before it.

Law: every admitted frame gets exactly one answer, a receipt or an error.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from dataclasses import dataclass, field
from enum import StrEnum
from typing import NewType

import numpy as np

from shared.contract import picture_bytes
from shared.contract.geometry import Picture
from shared.contract.picture_bytes import name_of
from shared.contract.receipts import Outcome, Receipt

KnownCamera = NewType("KnownCamera", str)
"""The id of a camera that this edge takes.

Only `Cameras.check` makes one in the service. The type shows that an id is checked once on a frame's way.
"""

_DIGEST_BYTES = 16


class PictureFormat(StrEnum):
    """The format of a picture, read from its first bytes; also the label of counters."""

    JPEG = "jpeg"
    PNG = "png"
    WEBP = "webp"
    AVIF = "avif"
    PIXELS = "pixels"
    OTHER = "other"

    @classmethod
    def of(cls, picture: Picture) -> PictureFormat:
        """Return the format that a camera gave; OTHER for a file that the pipeline will refuse."""
        if not isinstance(picture, bytes):
            return cls.PIXELS
        return _FORMATS.get(name_of(picture), cls.OTHER)


_FORMATS = {
    picture_bytes.JPEG: PictureFormat.JPEG,
    picture_bytes.PNG: PictureFormat.PNG,
    picture_bytes.WEBP: PictureFormat.WEBP,
    picture_bytes.AVIF: PictureFormat.AVIF,
}


@dataclass(frozen=True)
class FrameRef:
    """The facts about one frame that every stage may need; its pixels travel apart and are dropped early.

    capture_time_us: microseconds since 1970. time_given: the camera itself gave that time, so that a repeated post of
    the frame is recognised by it and by the picture. trace_context: the W3C trace context, 26 bytes or none.
    picture_bytes: the size of the posted picture in memory. picture_digest: of its bytes; empty where no time was given.
    """

    camera_id: KnownCamera
    capture_time_us: int
    time_given: bool
    trace_context: bytes
    picture_format: PictureFormat
    picture_bytes: int
    picture_digest: bytes = b""

    @classmethod
    def of(
        cls, camera_id: KnownCamera, picture: Picture, given_time_us: int | None, trace_context: bytes = b""
    ) -> FrameRef:
        """Return the reference of a frame that just came; given_time_us: None takes this machine's clock."""
        time_us = time.time_ns() // 1000 if given_time_us is None else given_time_us
        size = len(picture) if isinstance(picture, bytes) else picture.nbytes
        # A camera whose clock is coarse gives one time to several frames: the pictures tell them apart.
        digest = b"" if given_time_us is None else _digest(picture)
        form = PictureFormat.of(picture)
        return cls(camera_id, time_us, given_time_us is not None, trace_context, form, size, digest)


@dataclass(frozen=True, eq=False)
class QueuedFrame:
    """A frame that waits for its turn.

    groups: the task groups that were wanted when it was admitted. answer: is given to the camera.
    since_seconds: the time of its admission on the loop's clock.
    """

    ref: FrameRef
    groups: tuple[str, ...]
    picture: Picture = field(repr=False)
    answer: asyncio.Future[Receipt]
    since_seconds: float


def _digest(picture: Picture) -> bytes:
    if isinstance(picture, bytes):
        return hashlib.blake2b(picture, digest_size=_DIGEST_BYTES).digest()
    content = hashlib.blake2b(repr((picture.shape, picture.dtype.str)).encode(), digest_size=_DIGEST_BYTES)
    content.update(np.ascontiguousarray(picture).data)
    return content.digest()


def not_coded(ref: FrameRef, outcome: Outcome) -> Receipt:
    """Return the receipt of a frame that costs no bits."""
    return Receipt(ref.camera_id, outcome, ref.capture_time_us)


def settle_answer(answer: asyncio.Future[Receipt], result: Receipt | Exception) -> None:
    """Answer a frame, unless it has its answer, or nobody waits for it any more."""
    if answer.done():
        return
    if isinstance(result, Receipt):
        answer.set_result(result)
    else:
        answer.set_exception(result)
