"""Frames that a camera posts again because it missed the answer.

    posted frame --receipt--> the answer that it had        --under_way--> the one that is on its way        neither: --begin--> a new frame

A frame is recognised by its camera and the capture time that the camera gave. Law: such a frame is coded once, also when
its second post comes before the first one's answer, or after a restart (the spool keeps the receipts).
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import replace

from edge_encoder.frames import Posted, Waiting
from edge_encoder.spool.spool import RECEIPTS_KEPT
from shared.contract.receipts import Outcome, Receipt


class RepeatedPosts:
    """kept: the spool's receipts by camera and capture time, oldest first."""

    def __init__(self, kept: Mapping[tuple[str, int], Receipt]) -> None:
        self._coded: dict[str, OrderedDict[int, Receipt]] = {}
        self._under_way: dict[tuple[str, int], Waiting] = {}
        for receipt in kept.values():
            self._remember(receipt)

    def receipt(self, posted: Posted) -> Receipt | None:
        """The receipt of the frame's first post, if it was coded lately."""
        if not posted.time_given:
            return None
        found = self._coded.get(posted.camera_id, OrderedDict[int, Receipt]()).get(posted.capture_time_us)
        return None if found is None else replace(found, repeated_post=True)

    def under_way(self, posted: Posted) -> Waiting | None:
        """The frame's first post, where that has no answer yet."""
        return self._under_way.get((posted.camera_id, posted.capture_time_us)) if posted.time_given else None

    def begin(self, waiting: Waiting) -> None:
        """A frame is on its way; it is remembered when it is answered."""
        if waiting.posted.time_given:
            key = (waiting.posted.camera_id, waiting.posted.capture_time_us)
            self._under_way[key] = waiting
            waiting.answer.add_done_callback(lambda answer: self._finish(key, answer))

    def _finish(self, key: tuple[str, int], answer: asyncio.Future[Receipt]) -> None:
        self._under_way.pop(key, None)
        if not answer.cancelled() and answer.exception() is None and answer.result().outcome is Outcome.CODED:
            self._remember(answer.result())

    def _remember(self, receipt: Receipt) -> None:
        latest = self._coded.setdefault(receipt.camera_id, OrderedDict())
        latest[receipt.capture_time_us] = receipt
        while len(latest) > RECEIPTS_KEPT:
            latest.popitem(last=False)
