"""How much one cloud does for the walls that are open: every bound in one place."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WallLimits:
    """most_walls: pages at the same time. pictures_per_second: of one camera to one page. most_cameras: shown on a page.

    most_unseen_bytes: of pictures on their way to a page; a slow line's buffers would else be filled with old ones.
    longest_side_pixels, top_classes: of what is subscribed to. largest_message_bytes: of what the page sends, of which
    most_messages are taken in message_window_seconds. first_want_seconds: by when a page has to say what it wants.
    send_seconds: after which a page that does not read is let go. poll_seconds: how often cameras and tasks are looked at.
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
