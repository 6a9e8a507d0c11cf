"""HTTP connections that harm nobody: how many there may be, how long a head or an answer may take, how a refused body ends.

    accepted --Doorkeeper--> GuardedHttp (uvicorn's h11 protocol) --> the app     dropped: too_many, slow_head, slow_reader, each counted

(With TLS a `Handshake` stands before it, a WebSocket is a `LimitedWebSocket` after it, and each has its place.) Laws: there are never more
than `most` connections; where one too many comes, the one that has been idle longest makes room, so that somebody who only opens them,
or asks and never reads, keeps nobody out; and who is refused in the middle of a body can read why (the connection is half-closed, which
TLS cannot do, and what still comes is thrown away, since closing it at once would make the kernel throw away the answer).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
LINGER_SECONDS = 2.0
LINGER_BYTES = 64 << 20
READ_SECONDS = 30.0
"""By when an answer has to be read on, once no more of it can be sent."""
TOO_MANY, SLOW_HEAD, SLOW_READER = "too_many", "slow_head", "slow_reader"


class LimitedConnection(Protocol):
    """A connection, as the door sees it. busy: whether a request is being worked on."""

    @property
    def busy(self) -> bool: ...

    def abort(self) -> None:
        """Ends it at once."""


@dataclass(eq=False)
class HttpConnectionLimit:
    """most: connections at once. dropped: told the reason of each that is ended from here."""

    most: int
    dropped: Callable[[str], None] = lambda reason: None
    head_seconds: float = HEAD_SECONDS
    read_seconds: float = READ_SECONDS
    _open: dict[LimitedConnection, None] = field(default_factory=dict, repr=False)

    def protocol(self, **given: Any) -> GuardedHttp:
        """What uvicorn makes for each connection."""
        return GuardedHttp(self, **given)

    def enter(self, connection: LimitedConnection) -> None:
        """Lets it in; who has been idle longest goes where there is no room, or where nobody is idle this one."""
        self._open[connection] = None
        if len(self._open) > self.most:
            # The newcomer is idle itself, so that there always is one.
            self.drop(next(one for one in self._open if not one.busy), TOO_MANY)

    def idle(self, connection: LimitedConnection) -> None:
        """It has had its answer: from now on it is the one that has been idle for the shortest time."""
        if self._open.pop(connection, self) is None:
            self._open[connection] = None

    def leave(self, connection: LimitedConnection) -> None:
        """It has ended, or another takes its place."""
        self._open.pop(connection, None)

    def drop(self, connection: LimitedConnection, reason: str) -> None:
        """Ends it at once."""
        self.leave(connection)
        self.dropped(reason)
        connection.abort()

    def stalled(self, connection: LimitedConnection, loop: asyncio.AbstractEventLoop) -> asyncio.TimerHandle:
        """It does not read what is sent: it is dropped, unless the timer that is given back is cancelled before."""
        return loop.call_later(self.read_seconds, self.drop, connection, SLOW_READER)


class _Lingering:
    """A transport whose `close` lets the other side read its answer first. All else is the transport's own."""

    def __init__(self, transport: asyncio.Transport, owner: GuardedHttp) -> None:
        self._transport = transport
        self._owner = owner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._owner.lingering or self._transport.is_closing()

    def close(self) -> None:
        if self._owner.lingering or not self._owner.has_more_to_come:
            self._transport.close()
        else:
            self._owner.linger(self._transport)


class GuardedHttp(H11Protocol):
    """One connection. See `HttpConnectionLimit`."""

    def __init__(self, door: HttpConnectionLimit, **given: Any) -> None:
        super().__init__(**given)
        self._door = door
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._upgraded = False
        self._thrown_away = 0
        self.lingering = False

    @property
    def busy(self) -> bool:
        """Whether a request is being worked on."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def has_more_to_come(self) -> bool:
        """Whether the other side is within a body."""
        return not self._upgraded and self.conn.their_state is h11.SEND_BODY

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """See asyncio.Protocol."""
        super().connection_made(_Lingering(transport, self))  # type: ignore[arg-type]
        self._door.enter(self)
        self._await_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._forget_deadline()
        self._reads_again()
        self._door.leave(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        super().pause_writing()
        self._stalled = self._door.stalled(self, self.loop)

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._reads_again()
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """See asyncio.Protocol."""
        if self.lingering:
            self._thrown_away += len(data)
            if self._thrown_away > LINGER_BYTES:
                self.abort()
            return
        super().data_received(data)
        if self.busy or self._upgraded:
            self._forget_deadline()
        elif self.timeout_keep_alive_task is None:
            self._await_head()

    def on_response_complete(self) -> None:
        """See uvicorn: from here on it may keep the connection."""
        self._door.idle(self)
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """See uvicorn, which would let the request that is in work answer too, and fall over an answer that has begun."""
        if self.busy:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            # There is an answer already, or it takes no body, as HEAD's.
            self.abort()

    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """See uvicorn: from here on it is a `LimitedWebSocket`."""
        self._upgraded = True
        self._forget_deadline()
        self._reads_again()
        self._door.leave(self)
        super().handle_websocket_upgrade(event)

    def linger(self, transport: asyncio.Transport) -> None:
        """Sends what is left of the answer and its end, and then reads a while for nothing."""
        self.lingering = True
        # TLS ends both ways at once: there the answer's length says where it ends, and the end comes after the while.
        half = transport.can_write_eof()
        if half:
            transport.write_eof()
        transport.resume_reading()
        self._forget_deadline()
        self._deadline = self.loop.call_later(LINGER_SECONDS, self.abort if half else transport.close)

    def abort(self) -> None:
        """Ends it at once."""
        self._forget_deadline()
        self._reads_again()
        if self.transport is not None:
            self.transport.abort()

    def _await_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self._door.head_seconds, lambda: self._door.drop(self, SLOW_HEAD))

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _reads_again(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
