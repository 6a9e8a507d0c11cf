"""The bounds on what one cloud does for open walls, all in one place, and the counters that show where they bite."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shared.telemetry.metrics import Meters

Loss = Literal["superseded_picture", "superseded_classes", "slow_page", "too_many_cameras"]
"""The reason why a page did not get something.

superseded_picture, superseded_classes: a newer one took its place. slow_page: too many frames' figures waited for the page.
too_many_cameras: the page shows `most_cameras` already.
"""
LOSSES: tuple[Loss, ...] = ("superseded_picture", "superseded_classes", "slow_page", "too_many_cameras")


@dataclass(frozen=True)
class WallLimits:
    """The bounds of all walls and of one.

    most_walls: pages that are open at the same time.
    pictures_per_second: updates of one camera to one page.
    most_cameras: cameras that one page shows.
    most_unseen_bytes: pictures that are on their way to a page. Without it, a slow line's buffers would fill with old ones.
    longest_side_pixels, top_classes: the form of the results that a page subscribes to.
    largest_message_bytes: a longer message of a page ends it.
    most_messages, message_window_seconds: a page that sends more messages in this time is ended.
    first_want_seconds: a page that has not said by then what it wants is ended.
    send_seconds: a page that does not read for so long is ended.
    poll_seconds: the time between two looks at cameras and tasks.
    """

    most_walls: int = 16
    pictures_per_second: float = 5.0
    most_cameras: int = 64
    most_unseen_bytes: int = 512 << 10
    longest_side_pixels: int = 192
    top_classes: int = 3
    largest_message_bytes: int = 32 << 10
    most_messages: int = 200
    message_window_seconds: float = 10.0
    first_want_seconds: float = 10.0
    send_seconds: float = 20.0
    poll_seconds: float = 1.0


class WallMetrics:
    """The counters of all pages together: no label names a page."""

    def __init__(self, meters: Meters) -> None:
        self.pages = meters.gauge("wall_pages", "Pages open now")
        self.opened = meters.counter("wall_pages_opened", "Pages that were taken")
        self.refused = meters.counter("wall_pages_sent_away", "Pages that were sent away, by reason", "reason")
        self.received_messages = meters.counter("wall_received_messages", "Messages from pages")
        self.sent_messages = meters.counter("wall_sent_messages", "Messages to pages", "kind")
        self.sent_bytes = meters.counter("wall_sent_bytes", "Bytes of these", "kind")
        self._dropped = meters.counter("wall_dropped", "What a page did not get, by reason", "reason")
        # Every series exists from the start, so that a rate over it is right from the first event on.
        for kind in ("text", "pictures"):
            self.sent_messages.labels(kind)
            self.sent_bytes.labels(kind)
        for loss in LOSSES:
            self._dropped.labels(loss)

    def sent(self, message: str | bytes) -> None:
        """Count a message to a page. Text is counted in characters, which are bytes: the wall's JSON is ASCII."""
        kind = "text" if isinstance(message, str) else "pictures"
        self.sent_messages.labels(kind).inc()
        self.sent_bytes.labels(kind).inc(len(message))

    def dropped(self, loss: Loss) -> None:
        """Count something that a page does not get."""
        self._dropped.labels(loss).inc()
