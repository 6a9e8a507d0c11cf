"""Holds what waits to be sent to one page; it is bounded, since newer things take the place of older ones.

    control messages, one place a kind ----------------------------\
    FrameResult --add--> a camera's frames, classes, pictures ------+--take--> texts and binaries for the socket

A camera is due at most `pictures_per_second` times a second, and its pictures wait while the page has not said that it has
seen the earlier ones. Every frame counts into bytes and curve, while the page gets the newest pictures and classes only.
The outbox knows no socket, and the clock is the caller's (seconds, monotonic).
Law: a page that reads slowly skips pictures, and nothing that waits for it grows.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

from cloud_analytics.frames import FrameResult
from cloud_analytics.wall.limits import Loss, WallLimits
from cloud_analytics.wall.messages import frames_message, lost_message, pictures_message
from shared.contract.results import ClassesResult, PictureResult

MOST_FRAMES = 256
"""The most frames of a camera whose figures wait for one page."""

Output = TypeVar("Output", ClassesResult, PictureResult)


@dataclass
class _CameraBox:
    due: float = float("-inf")
    last_sequence: int = -1
    frames: deque[FrameResult] = field(default_factory=deque)
    classes: dict[str, tuple[FrameResult, ClassesResult]] = field(default_factory=dict)
    pictures: dict[str, tuple[FrameResult, PictureResult]] = field(default_factory=dict)

    def waits(self, with_pictures: bool) -> bool:
        return bool(self.frames or self.classes or (with_pictures and self.pictures))


class PageOutbox:
    """The outbox of one page. dropped: called for whatever the page does not get."""

    def __init__(self, limits: WallLimits, dropped: Callable[[Loss], None] = lambda _: None) -> None:
        self._dropped = dropped
        self._pause_seconds = 1 / limits.pictures_per_second
        self._most_cameras = limits.most_cameras
        self._most_unseen_bytes = limits.most_unseen_bytes
        self._sent_bytes = 0
        self._seen_bytes = 0
        self._control: dict[str, str] = {}
        self._cameras: dict[str, _CameraBox] = {}
        self.lost_frames = 0

    def put(self, kind: str, message: str) -> None:
        """Put a control message in the place of an older one of its kind."""
        self._control[kind] = message

    def lose(self, frames: int) -> None:
        """Count frames that did not reach this page, and tell the page."""
        if frames:
            self.lost_frames += frames
            self.put("lost", lost_message(self.lost_frames))

    def add(self, output: FrameResult) -> None:
        """Add a frame of one of the page's subscriptions; the same frame may come over two of them."""
        packet = output.packet
        if packet.camera_id not in self._cameras and len(self._cameras) >= self._most_cameras:
            self._dropped("too_many_cameras")
            return
        box = self._cameras.setdefault(packet.camera_id, _CameraBox())
        frame = replace(output, outputs=())
        if packet.sequence > box.last_sequence:
            box.last_sequence = packet.sequence
            box.frames.append(frame)
        if len(box.frames) > MOST_FRAMES:
            box.frames.popleft()
            self._dropped("slow_page")
            self.lose(1)
        for one in output.outputs:
            if isinstance(one, PictureResult) and _put_newest(box.pictures, frame, one):
                self._dropped("superseded_picture")
            elif isinstance(one, ClassesResult) and _put_newest(box.classes, frame, one):
                self._dropped("superseded_classes")

    def seen(self, picture_bytes: int) -> None:
        """Note how many bytes of binary messages the page is done with, since it connected."""
        self._seen_bytes = min(self._sent_bytes, max(self._seen_bytes, picture_bytes))

    def wait_seconds(self, now: float) -> float | None:
        """Return the seconds until something is due: 0 for now, None while nothing that waits may go."""
        if self._control:
            return 0.0
        waiting = [box.due for box in self._cameras.values() if box.waits(self._has_room)]
        return max(0.0, min(waiting) - now) if waiting else None

    def take(self, now: float) -> list[str | bytes]:
        """Take all that is due, in sending order: the camera whose pictures waited longest goes first."""
        messages: list[str | bytes] = list(self._control.values())
        self._control.clear()
        for camera, box in tuple(self._cameras.items()):
            if box.due <= now and box.waits(self._has_room):
                messages += self._taken(camera, box)
                box.due = now + self._pause_seconds
        return messages

    @property
    def _has_room(self) -> bool:
        return self._sent_bytes - self._seen_bytes < self._most_unseen_bytes

    def _taken(self, camera: str, box: _CameraBox) -> list[str | bytes]:
        messages: list[str | bytes] = []
        if box.waits(False):
            messages.append(frames_message(camera, box.frames, box.classes.values()))
            box.frames.clear()
            box.classes.clear()
        if box.pictures and self._has_room:
            message = pictures_message(camera, box.pictures.values())
            self._sent_bytes += len(message)
            messages.append(message)
            box.pictures.clear()
            # The camera goes behind the others, so that all have their turn where there is little room.
            self._cameras[camera] = self._cameras.pop(camera)
        return messages


def _put_newest(place: dict[str, tuple[FrameResult, Output]], frame: FrameResult, output: Output) -> bool:
    """Keep the newer output; return True where one is lost, which the same frame over two subscriptions is not."""
    older = place.get(output.task)
    if older is None or older[0].packet.sequence <= frame.packet.sequence:
        place[output.task] = (frame, output)
    return older is not None and older[0].packet.sequence != frame.packet.sequence
