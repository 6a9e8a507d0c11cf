"""What the live wall counts: pages, what they were sent, and what they did not get."""

from __future__ import annotations

from typing import Literal

from shared.telemetry.metrics import Meters

Loss = Literal["superseded_picture", "superseded_classes", "slow_page", "too_many_cameras"]
"""Why a page did not get something: a newer one took its place (twice: picture, classes), its frames' figures filled their place, or
it shows `most_cameras` already."""
LOSSES: tuple[Loss, ...] = ("superseded_picture", "superseded_classes", "slow_page", "too_many_cameras")


class WallMetrics:
    """Of all pages together: no label names a page."""

    def __init__(self, meters: Meters) -> None:
        self.pages = meters.gauge("wall_pages", "Pages open now")
        self.opened = meters.counter("wall_pages_opened", "Pages that were taken")
        self.refused = meters.counter("wall_pages_sent_away", "Pages that were sent away, by reason", "reason")
        self.received_messages = meters.counter("wall_received_messages", "Messages from pages")
        self.sent_messages = meters.counter("wall_sent_messages", "Messages to pages", "kind")
        self.sent_bytes = meters.counter("wall_sent_bytes", "Bytes of these", "kind")
        self._dropped = meters.counter("wall_dropped", "What a page did not get, by reason", "reason")
        for kind in ("text", "pictures"):
            self.sent_messages.labels(kind)
            self.sent_bytes.labels(kind)
        for loss in LOSSES:
            self._dropped.labels(loss)

    def sent(self, message: str | bytes) -> None:
        """A page was sent something. Text is counted in characters, which are bytes: the wall's JSON is ASCII."""
        kind = "text" if isinstance(message, str) else "pictures"
        self.sent_messages.labels(kind).inc()
        self.sent_bytes.labels(kind).inc(len(message))

    def dropped(self, loss: Loss) -> None:
        """Something is not sent."""
        self._dropped.labels(loss).inc()
