"""Reads the bodies of posts as they come, and never further than the limit.

Law: all bodies that are being read together take no more memory than the queue may. Beyond that a post is Busy.
"""

from __future__ import annotations

import asyncio

from fastapi import Request
from starlette.requests import ClientDisconnect

from edge_encoder.ingest.admission import PostLimits
from shared.errors import BadRequest, Busy, DeadlinePassed, ImageError, TooLarge


class Bodies:
    """Reads bodies within the limits of a post."""

    def __init__(self, limits: PostLimits) -> None:
        self._limits = limits
        self._reading_bytes = 0

    async def read(self, request: Request) -> bytes:
        """Return a post's body.

        Raises TooLarge before all of it is read, ImageError where it is empty or a form, Busy, or DeadlinePassed.
        """
        limits = self._limits
        if request.headers.get("content-type", "").startswith("multipart/"):
            raise ImageError("a form is no picture: send the file itself as the body (curl --data-binary @FILE)")
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limits.picture_bytes:
            raise TooLarge("the picture", int(declared), limits.picture_bytes)
        held = 0
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout(limits.deadline_seconds):
                async for chunk in request.stream():
                    # A body may come without a length, or with a wrong one: what really came is what counts.
                    if held + len(chunk) > limits.picture_bytes:
                        raise TooLarge("the picture", None, limits.picture_bytes)
                    if self._reading_bytes + len(chunk) > limits.reading_bytes:
                        raise Busy("too many pictures arrive at once; post again later")
                    held += len(chunk)
                    self._reading_bytes += len(chunk)
                    chunks.append(chunk)
        except TimeoutError as error:
            raise DeadlinePassed("the picture took too long to arrive; post it again") from error
        except ClientDisconnect as error:
            raise BadRequest("the connection ended within the picture; post it again") from error
        finally:
            self._reading_bytes -= held
        if not held:
            raise ImageError("there is no picture: send a JPEG, PNG or WebP file as the body")
        return b"".join(chunks)
