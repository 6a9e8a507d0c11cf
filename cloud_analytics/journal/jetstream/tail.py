"""A stream's messages as they come, for as long as the process lives.

    Reader --messages--> batch, batch, ...
           --Gone--> another Reader, which begins after the last message that came

Law: every message after the position where it began comes once and in order, whatever happens to the connection or to
NATS meanwhile.
"""

from __future__ import annotations

import asyncio

from nats.js.errors import NotFoundError

from cloud_analytics.journal.jetstream.link import Link, NatsTrouble
from cloud_analytics.journal.jetstream.reader import Gone, Message, Reader
from shared.errors import BusUnusable
from shared.telemetry.logs import Throttle, logger

MOST_MESSAGES = 256
"""The most messages that are asked for at once, and that wait in memory."""
WAIT_SECONDS = 5.0
AGAIN_SECONDS = 0.2

log = logger("cloud.bus")


class Tail:
    """The end of one stream. after: the position after which it begins."""

    def __init__(self, link: Link, stream: str, after: int) -> None:
        self._link = link
        self._stream = stream
        self._reader: Reader | None = None
        self._throttle = Throttle(10.0)
        self.position = after
        """The position of the last message that came."""

    async def batch(self) -> list[Message]:
        """Wait for what comes next, and return it. Raises BusUnusable where the stream is another or lost its end."""
        while True:
            try:
                found = await self._read()
            except (Gone, *NatsTrouble) as error:
                self._tell(error)
                await self._dropped()
                await asyncio.sleep(AGAIN_SECONDS)
                continue
            if found:
                self.position = found[-1].position
                return found

    async def present(self) -> list[Message]:
        """Return all that is there now. Raises Gone, or BusUnusable as `batch` does."""
        found: list[Message] = []
        reader = await self._begun()
        while more := await reader.present(MOST_MESSAGES):
            found += more
        if found:
            self.position = found[-1].position
        return found

    async def close(self) -> None:
        """End the reader at NATS."""
        if self._reader is not None:
            await self._reader.close()

    async def _read(self) -> list[Message]:
        return await (await self._begun()).coming(MOST_MESSAGES, WAIT_SECONDS)

    async def _dropped(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            await reader.drop()

    async def _begun(self) -> Reader:
        if self._reader is None:
            if not self._link.is_up:
                raise Gone("no connection")
            try:
                state = (await self._link.js.stream_info(self._stream)).state
            except NotFoundError as error:
                raise BusUnusable(f"the stream {self._stream} is gone") from error
            if state.last_seq < self.position:
                raise BusUnusable(
                    f"the stream {self._stream} ends at {state.last_seq} and had ended at {self.position} before"
                )
            self._reader = await Reader.begin(self._link, self._stream, self.position)
        return self._reader

    def _tell(self, error: BaseException) -> None:
        if self._link.is_up and self._throttle.due():
            log.warning(
                "stream is read again from its last message",
                stream=self._stream,
                reason=str(error) or repr(error),
                times=self._throttle.times,
            )
