"""One consumer of a stream: it reads the messages after a position, in order.

    present --request for what there is--> NATS --messages, and word that there is no more--> present
    coming --request for what comes, again and again--> NATS --messages--> coming

NATS sends only what was asked for, so nothing piles up.
Law: every message after the position comes once and in order. Else `Gone` is raised, and another reader has to begin
after the last message that came.
"""

from __future__ import annotations

import asyncio
import json
from contextlib import suppress
from dataclasses import dataclass

from nats.aio.msg import Msg
from nats.errors import ConnectionClosedError, NotJSMessageError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from cloud_analytics.journal.jetstream.link import ASK_SECONDS, Inbox, Link, NatsTrouble

INACTIVE_SECONDS = 30.0
"""After so long without a request NATS forgets a consumer."""
MOST_WAITING = 1024
"""The most messages that wait to be read; it is more than is ever asked for at once."""
REQUEST_SECONDS = 5.0
ASK_AGAIN_SECONDS = 4.0
"""A request is followed by the next one before it expires: nats-server 2.9 does not always say that one has."""
_NO_MESSAGES, _EXPIRED = "404", "408"


class Gone(Exception):  # noqa: N818 - named after what happened
    """The consumer, or what it sent, is lost; another has to be made."""


@dataclass(frozen=True)
class Message:
    """A message of a stream.

    position: its sequence in the stream.
    is_delete: True where it says that a bucket's key has no value any more.
    """

    position: int
    subject: str
    data: bytes
    is_delete: bool = False


class Reader:
    """A consumer that is open; `begin` makes it."""

    def __init__(self, link: Link, stream: str, consumer: str, inbox: Inbox, there: int) -> None:
        self._link = link
        self._stream = stream
        self._consumer = consumer
        self._inbox = inbox
        self._clock = asyncio.get_running_loop().time
        self._ask_at = 0.0
        self._asked = 0
        self._delivered = 0
        self._there = there

    @classmethod
    async def begin(cls, link: Link, stream: str, after: int | None, subject: str | None = None) -> Reader:
        """Make a consumer. Raises one of `NatsTrouble`.

        after: the position after which it begins; None for the last message of each subject.
        subject: the subject of the wanted messages; None for all.
        """
        last_of_each = after is None
        config = ConsumerConfig(
            deliver_policy=DeliverPolicy.LAST_PER_SUBJECT if last_of_each else DeliverPolicy.BY_START_SEQUENCE,
            opt_start_seq=None if after is None else after + 1,
            ack_policy=AckPolicy.NONE,
            filter_subject=subject,
            inactive_threshold=INACTIVE_SECONDS,
            mem_storage=True,
            num_replicas=1,
        )
        info = await link.js.add_consumer(stream, config)
        return cls(link, stream, info.name, await link.inbox(MOST_WAITING), info.num_pending or 0)

    @property
    def has_all(self) -> bool:
        """True where everything has come that was there at the beginning."""
        return self._delivered >= self._there

    async def present(self, most: int) -> list[Message]:
        """Return up to `most` messages of those that there are; none where there is no more. Raises Gone."""
        found: list[Message] = []
        while len(found) < most:
            if not self._asked:
                await self._ask(most, {"no_wait": True})
            message = await self._next(ASK_SECONDS)
            if message is None:
                self._asked = 0
                break
            found.append(message)
        return found

    async def coming(self, most: int, wait_seconds: float) -> list[Message]:
        """Wait for what comes next and return it; none where nothing comes in the time. Raises Gone."""
        found: list[Message] = []
        until = self._clock() + wait_seconds
        while not found or not self._inbox.is_empty:
            if self._asked <= 0 or self._clock() >= self._ask_at:
                self._ask_at = self._clock() + ASK_AGAIN_SECONDS
                await self._ask(most, {"expires": int(REQUEST_SECONDS * 1e9)})
            try:
                message = await self._next(max(0.0, min(until, self._ask_at) - self._clock()))
            except TimeoutError:
                if self._clock() >= until:
                    break
                continue
            if message is not None:
                found.append(message)
        return found

    async def drop(self) -> None:
        """Listen no more; NATS forgets the consumer by itself after a while."""
        with suppress(*NatsTrouble):
            await self._inbox.close()

    async def close(self) -> None:
        """Listen no more, and end the consumer."""
        await self.drop()
        with suppress(*NatsTrouble):
            await self._link.js.delete_consumer(self._stream, self._consumer)

    async def _ask(self, most: int, how: dict[str, int | bool]) -> None:
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}"
        # An earlier request may still bring messages beyond these.
        self._asked = most
        try:
            await self._link.publish(subject, json.dumps({"batch": most, **how}).encode(), self._inbox.subject)
        except NatsTrouble as error:
            raise Gone(f"{self._stream}: {error!r}") from error

    async def _next(self, seconds: float) -> Message | None:
        """Return the next message; None for word that a request is over. Raises TimeoutError or Gone."""
        try:
            message = await self._inbox.next(seconds)
        except ConnectionClosedError as error:
            raise Gone(f"{self._stream}: the connection is a new one") from error
        status = (message.headers or {}).get("Status")
        if status in (_NO_MESSAGES, _EXPIRED):
            return None
        if status is not None:
            raise Gone(f"{self._stream}: status {status} {(message.headers or {}).get('Description', '')}")
        self._asked -= 1
        return self._checked(message)

    def _checked(self, message: Msg) -> Message:
        try:
            sequence = message.metadata.sequence
        except NotJSMessageError as error:
            raise Gone(f"{self._stream}: {error!r}") from error
        self._delivered += 1
        if sequence.consumer != self._delivered:
            raise Gone(f"{self._stream}: message {self._delivered} is lost, since message {sequence.consumer} came")
        is_delete = (message.headers or {}).get("KV-Operation") in ("DEL", "PURGE")
        return Message(sequence.stream, message.subject, message.data, is_delete)
