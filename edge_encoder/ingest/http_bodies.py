"""Bodies of posts, read as they come and never further than the limit.

Law: all bodies that are being read together take no more memory than the queue may; beyond that a post is Busy.
"""

from __future__ import annotations

import asyncio

from fastapi import Request
from starlette.requests import ClientDisconnect

from edge_encoder.ingest.admission import Admission
from shared.errors import BadRequest, Busy, DeadlinePassed, ImageError, TaxonError


class Bodies:
    """most_bytes: of all bodies together while they are read."""

    def __init__(self, intake: Admission, most_bytes: int) -> None:
        self._intake = intake
        self._most_bytes = most_bytes
        self._reading_bytes = 0

    async def read(self, request: Request) -> bytes:
        """A post's body; raises TooLarge before all of it is read, ImageError for none, Busy, DeadlinePassed."""
        limit = self._intake.largest_picture_bytes
        if request.headers.get("content-type", "").startswith("multipart/"):
            raise self._counted(
                ImageError("a form is no picture: send the file itself as the body (curl --data-binary @FILE)")
            )
        declared = request.headers.get("content-length", "")
        if declared.isdigit() and int(declared) > limit:
            raise self._intake.oversized(int(declared))
        held = 0
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout(self._intake.deadline_seconds):
                async for chunk in request.stream():
                    if held + len(chunk) > limit:
                        raise self._intake.oversized(None)
                    if self._reading_bytes + len(chunk) > self._most_bytes:
                        raise self._counted(Busy("too many pictures arrive at once; post again later"))
                    held += len(chunk)
                    self._reading_bytes += len(chunk)
                    chunks.append(chunk)
        except TimeoutError as error:
            raise self._counted(DeadlinePassed("the picture took too long to arrive")) from error
        except ClientDisconnect as error:
            raise self._counted(BadRequest("the connection ended within the picture")) from error
        finally:
            self._reading_bytes -= held
        if not held:
            raise self._counted(ImageError("there is no picture: send a JPEG, PNG or WebP file as the body"))
        return b"".join(chunks)

    def _counted(self, error: TaxonError) -> TaxonError:
        self._intake.refused(error)
        return error
