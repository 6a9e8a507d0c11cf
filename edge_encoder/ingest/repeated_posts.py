"""Recognises frames that a camera posts again because it missed the answer.

    FrameRef --receipt--> the answer that the first post had
             --under_way--> the first post, whose answer is on its way
             neither: --begin--> a new frame

A frame is recognised by its camera and the capture time that the camera gave, among the last `RECEIPTS_KEPT` of its camera.

Law: such a frame is coded once, however often it is posted. This holds before the first post has its answer, and after a restart,
because the spool keeps the receipts.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

from edge_encoder.frames import FrameRef, QueuedFrame
from edge_encoder.spool.spool import RECEIPTS_KEPT
from shared.contract.receipts import Outcome, Receipt


class RepeatedPosts:
    """Remembers the latest coded frames. kept: the spool's receipts by camera and capture time, oldest first."""

    def __init__(self, kept: Mapping[tuple[str, int], Receipt]) -> None:
        self._coded: dict[str, OrderedDict[int, Receipt]] = {}
        self._under_way: dict[tuple[str, int], QueuedFrame] = {}
        for receipt in kept.values():
            self._remember(receipt)

    def receipt(self, ref: FrameRef) -> Receipt | None:
        """Return the receipt of the frame's first post, if it was coded lately."""
        if not ref.time_given:
            return None
        found = self._coded.get(ref.camera_id, OrderedDict[int, Receipt]()).get(ref.capture_time_us)
        return None if found is None else replace(found, repeated_post=True)

    def under_way(self, ref: FrameRef) -> QueuedFrame | None:
        """Return the frame's first post, if that has no answer yet."""
        return self._under_way.get((ref.camera_id, ref.capture_time_us)) if ref.time_given else None

    def begin(self, queued: QueuedFrame) -> None:
        """Note that a frame is on its way; it is remembered when it is answered."""
        ref = queued.ref
        if ref.time_given:
            key = (ref.camera_id, ref.capture_time_us)
            self._under_way[key] = queued
            queued.answer.add_done_callback(lambda answer: self._finish(key, answer))

    def _finish(self, key: tuple[str, int], answer: asyncio.Future[Receipt]) -> None:
        self._under_way.pop(key, None)
        if not answer.cancelled() and answer.exception() is None and answer.result().outcome is Outcome.CODED:
            self._remember(answer.result())

    def _remember(self, receipt: Receipt) -> None:
        latest = self._coded.setdefault(receipt.camera_id, OrderedDict())
        latest[receipt.capture_time_us] = receipt
        while len(latest) > RECEIPTS_KEPT:
            latest.popitem(last=False)
