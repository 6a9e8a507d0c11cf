"""One replica's connection to NATS: it is opened once, and mends itself for as long as the process lives.

    open --> connected --broken--> tried again every half second, for ever --> connected; `generation` rises

Law: what was asked over one connection may be lost with it, so a reader begins anew when `generation` has risen.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from weakref import WeakSet

import nats.errors
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import Subscription
from nats.errors import ConnectionClosedError
from nats.js import JetStreamContext
from nats.js.errors import APIError, KeyWrongLastSequenceError

from cloud_analytics.metrics.service import CloudMetrics
from shared.errors import BusUnusable
from shared.telemetry.logs import Throttle, logger

OPEN_SECONDS = 30.0
CONNECT_SECONDS = 2
AGAIN_SECONDS = 0.5
PING_SECONDS = 5
ASK_SECONDS = 3.0
"""The longest that one question to JetStream waits for its answer."""
CLOSE_SECONDS = 2.0

NatsTrouble = (nats.errors.Error, TimeoutError, OSError)
"""Errors that may pass: of the connection, of the server, or an answer that did not come."""

_WRONG_LAST_SEQUENCE = (10071, 10164)

log = logger("cloud.bus")


def is_conflict(error: BaseException) -> bool:
    """Return True where JetStream refused a message because another one had come first."""
    if isinstance(error, KeyWrongLastSequenceError):
        return True
    return isinstance(error, APIError) and error.err_code in _WRONG_LAST_SEQUENCE


class Inbox:
    """Messages that wait to be read. most: the most that wait; what comes beyond is lost."""

    def __init__(self, most: int) -> None:
        self._waiting: asyncio.Queue[Msg | None] = asyncio.Queue(most)
        self.subscription: Subscription | None = None

    @property
    def subject(self) -> str:
        """The subject that it listens to."""
        assert self.subscription is not None
        return self.subscription.subject

    @property
    def is_empty(self) -> bool:
        """True where no message waits."""
        return self._waiting.empty()

    async def put(self, message: Msg) -> None:
        """Take a message from NATS."""
        with suppress(asyncio.QueueFull):
            self._waiting.put_nowait(message)

    async def next(self, seconds: float) -> Msg:
        """Return the next message. Raises TimeoutError, or ConnectionClosedError where the connection is a new one."""
        # The subscription's own `next_msg` makes two tasks for each message.
        async with asyncio.timeout(seconds):
            message = await self._waiting.get()
        if message is None:
            raise ConnectionClosedError
        return message

    def reconnected(self) -> None:
        """Let the reader know that what was asked for over the last connection does not come."""
        while self._waiting.full():
            self._waiting.get_nowait()
        self._waiting.put_nowait(None)

    async def close(self) -> None:
        """Listen no more. Raises one of `NatsTrouble`."""
        assert self.subscription is not None
        await self.subscription.unsubscribe()


class Link:
    """One replica's connection.

    servers: URLs of one or several servers of the same NATS.
    name: the name of this replica in NATS's own monitoring.
    clock: returns a monotonic time in seconds.
    """

    def __init__(
        self,
        servers: Sequence[str],
        name: str,
        metrics: CloudMetrics,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._servers = list(servers)
        self._name = name
        self._metrics = metrics
        self._clock = clock
        self._client = Client()
        self._away_since: float | None = clock()
        self._throttle = Throttle(10.0)
        self._inboxes: WeakSet[Inbox] = WeakSet()
        self.generation = 0
        """The number of connections that there have been."""
        metrics.bus_connected.set(0)

    @property
    def js(self) -> JetStreamContext:
        """JetStream over this connection; its calls raise one of `NatsTrouble`."""
        return self._client.jetstream(timeout=ASK_SECONDS)

    @property
    def is_up(self) -> bool:
        """True where there is a connection."""
        return self._away_since is None

    @property
    def away_seconds(self) -> float:
        """The seconds for which there has been no connection; 0 where there is one."""
        return 0.0 if self._away_since is None else self._clock() - self._away_since

    @property
    def most_bytes(self) -> int:
        """The bytes of the largest message that NATS takes."""
        return self._client.max_payload

    async def open(self) -> None:
        """Connect. Raises BusUnusable after `OPEN_SECONDS`."""
        try:
            async with asyncio.timeout(OPEN_SECONDS):
                await self._client.connect(
                    self._servers,
                    name=self._name,
                    connect_timeout=CONNECT_SECONDS,
                    reconnect_time_wait=AGAIN_SECONDS,  # type: ignore[arg-type] # a float does
                    max_reconnect_attempts=-1,
                    ping_interval=PING_SECONDS,
                    error_cb=self._on_error,
                    disconnected_cb=self._on_loss,
                    reconnected_cb=self._on_connect,
                )
        except NatsTrouble as error:
            why = f"not reached in {OPEN_SECONDS:g} s ({self._client.last_error or error!r})"
            raise BusUnusable(f"{why}; is NATS running, and is the address of --bus right?") from error
        await self._on_connect()

    async def publish(self, subject: str, data: bytes, reply: str = "") -> None:
        """Send a message that nobody confirms. Raises one of `NatsTrouble`."""
        await self._client.publish(subject, data, reply=reply)

    async def inbox(self, most: int, subject: str | None = None) -> Inbox:
        """Return an inbox for what comes to a subject, or to a new subject of its own. Raises one of `NatsTrouble`.

        most: the most messages that may wait.
        """
        inbox = Inbox(most)
        self._inboxes.add(inbox)
        inbox.subscription = await self._client.subscribe(subject or self._client.new_inbox(), cb=inbox.put)
        return inbox

    async def close(self) -> None:
        """Close the connection for good."""
        if not self.generation:
            # The library cannot close what was never open.
            return
        try:
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._client.close()
        except NatsTrouble as error:
            log.warning("connection not closed", reason=repr(error))

    async def _on_connect(self) -> None:
        self.generation += 1
        for inbox in tuple(self._inboxes):
            inbox.reconnected()
        self._away_since = None
        self._metrics.bus_connected.set(1)
        self._metrics.bus_connects.inc()
        url = self._client.connected_url
        log.info("bus connected", server="" if url is None else f"{url.hostname}:{url.port}")

    async def _on_loss(self) -> None:
        if self._away_since is None and not self._client.is_closed:
            self._away_since = self._clock()
            self._metrics.bus_connected.set(0)
            log.error("bus lost")

    async def _on_error(self, error: Exception) -> None:
        if self._throttle.due():
            log.warning("bus error", reason=repr(error), times=self._throttle.times)
