"""One consumer of a stream: its messages after a position, in order.

    read --request for so many--> NATS --messages, or "no more"--> read

Pull: nothing comes that was not asked for, so nothing piles up. Law: every message after the position comes once and in order, or `Gone` is
raised, and another reader has to begin after the last one that came.
"""

from __future__ import annotations

import json
from dataclasses import dataclass

from nats.aio.msg import Msg
from nats.errors import NotJSMessageError
from nats.js.api import AckPolicy, ConsumerConfig, DeliverPolicy

from cloud_analytics.jetstream.link import ASK_SECONDS, Inbox, Link, NatsTrouble
from shared.errors import TaxonError

INACTIVE_SECONDS = 30.0
"""After so long without a request NATS forgets a consumer."""
MOST_WAITING = 1024
"""More than is ever asked for at once."""
_NO_MESSAGES, _EXPIRED = "404", "408"


class Gone(TaxonError):  # noqa: N818 - named after what happened
    """The consumer, or what it sent, is lost; another has to be made."""


@dataclass(frozen=True)
class Message:
    """One of a stream. position: its sequence there. is_delete: of a bucket's key that has no value any more."""

    position: int
    subject: str
    data: bytes
    is_delete: bool = False


class Reader:
    """Made by `begin`."""

    def __init__(self, link: Link, stream: str, consumer: str, inbox: Inbox) -> None:
        self._link = link
        self._stream = stream
        self._consumer = consumer
        self._inbox = inbox
        self._generation = link.generation
        self._asked = 0
        self._delivered = 0

    @classmethod
    async def begin(cls, link: Link, stream: str, after: int | None, subject: str | None = None) -> Reader:
        """after: a position; None for the last message of each subject. subject: of those messages alone. Raises `NatsTrouble`."""
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
        return cls(link, stream, info.name, await link.inbox(MOST_WAITING))

    async def read(self, most: int, wait_seconds: float) -> list[Message]:
        """What there is, up to `most`; none where nothing came in the time (0: where there is no more). Raises Gone."""
        found: list[Message] = []
        try:
            while not found or not self._inbox.is_empty:
                if not self._asked:
                    await self._ask(most, wait_seconds)
                message = await self._inbox.next(wait_seconds + ASK_SECONDS)
                if self._is_end(message):
                    self._asked = 0
                    break
                self._asked -= 1
                found.append(self._checked(message))
        except NatsTrouble as error:
            raise Gone(f"{self._stream}: {error!r}") from error
        if self._link.generation != self._generation:
            raise Gone(f"{self._stream}: another connection")
        return found

    async def close(self) -> None:
        """NATS would forget it by itself, in a while."""
        try:
            await self._inbox.close()
            await self._link.js.delete_consumer(self._stream, self._consumer)
        except NatsTrouble:
            return

    async def _ask(self, most: int, wait_seconds: float) -> None:
        request = (
            {"batch": most, "expires": int(wait_seconds * 1e9)} if wait_seconds else {"batch": most, "no_wait": True}
        )
        subject = f"$JS.API.CONSUMER.MSG.NEXT.{self._stream}.{self._consumer}"
        await self._link.publish(subject, json.dumps(request).encode(), self._inbox.subject)
        self._asked = most

    def _is_end(self, message: Msg) -> bool:
        """Whether this says that a request is over; raises Gone where it says that all is."""
        status = (message.headers or {}).get("Status")
        if status is None:
            return False
        if status in (_NO_MESSAGES, _EXPIRED):
            return True
        raise Gone(f"{self._stream}: status {status} {(message.headers or {}).get('Description', '')}")

    def _checked(self, message: Msg) -> Message:
        try:
            sequence = message.metadata.sequence
        except NotJSMessageError as error:
            raise Gone(f"{self._stream}: {error!r}") from error
        self._delivered += 1
        if sequence.consumer != self._delivered:
            raise Gone(f"{self._stream}: message {self._delivered} is lost, {sequence.consumer} came")
        is_delete = (message.headers or {}).get("KV-Operation") in ("DEL", "PURGE")
        return Message(sequence.stream, message.subject, message.data, is_delete)
