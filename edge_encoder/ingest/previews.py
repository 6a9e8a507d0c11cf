"""Gives a person a picture of what the edge codes of a camera, made of the camera's next frame.

    GET preview --next_preview: waits--> admission offers each frame --> masked, cropped, drawn in a thread --> PNG

No picture is kept for this: a frame is looked at only while somebody waits for one of its camera, wanted or not.

Laws: what leaves is made of the masked and cropped network's input alone (`edge_encoder.encoding.preview`). The view is the
one that holds when the picture is drawn. Few wait at once, and none longer than it said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from edge_encoder.encoding.preprocess import preprocess, preprocess_pixels
from edge_encoder.encoding.preview import drawn_preview
from edge_encoder.encoding.view import View
from shared.contract.geometry import InputSize, Picture
from shared.errors import Busy, DeadlinePassed

MOST_WAITING = 4
"""A preview is one full decoding; more of them at once would take the processor from frames that are to be coded."""


class Previews:
    """The previews that are waited for. It belongs to the loop. size: the network's input. view_of: gives a camera's view."""

    def __init__(self, size: InputSize, view_of: Callable[[str], View]) -> None:
        self._size = size
        self._view_of = view_of
        self._waiting: dict[str, list[asyncio.Future[Picture]]] = {}
        self._at_work = 0

    def offer(self, camera_id: str, picture: Picture) -> None:
        """Give a frame that was just admitted to whoever waits for a preview of its camera."""
        for waiting in self._waiting.pop(camera_id, ()):
            if not waiting.done():
                waiting.set_result(picture)

    async def next_preview(self, camera_id: str, wait_seconds: float) -> bytes:
        """Return a PNG file, made of the camera's next frame.

        Raises DeadlinePassed where none comes in time, ImageError where it is no picture or its view cannot be applied,
        or Busy.
        """
        if self._at_work >= MOST_WAITING:
            raise Busy(f"{MOST_WAITING} previews are being made already; ask again later")
        self._at_work += 1
        try:
            picture = await self._next_picture(camera_id, wait_seconds)
            return await asyncio.to_thread(self._drawn, picture, self._view_of(camera_id))
        finally:
            self._at_work -= 1

    async def _next_picture(self, camera_id: str, wait_seconds: float) -> Picture:
        waiting: asyncio.Future[Picture] = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(camera_id, []).append(waiting)
        try:
            async with asyncio.timeout(wait_seconds):
                return await waiting
        except TimeoutError as error:
            raise DeadlinePassed(
                f"camera {camera_id} gave no picture in {wait_seconds:g} s; see its state at /v1/cameras, or wait longer"
            ) from error
        finally:
            left = [one for one in self._waiting.get(camera_id, ()) if one is not waiting]
            if left:
                self._waiting[camera_id] = left
            else:
                self._waiting.pop(camera_id, None)

    def _drawn(self, picture: Picture, view: View) -> bytes:
        if isinstance(picture, bytes):
            return drawn_preview(preprocess(picture, self._size, view), view)
        return drawn_preview(preprocess_pixels(picture, self._size, view), view)
