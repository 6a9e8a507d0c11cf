"""HTTP connections that harm nobody: their number, and the time of a head, an answer or a refused body, are bounded.

    accepted --HttpConnectionLimit--> GuardedHttp (uvicorn's h11 protocol) --> the app
                 `--> dropped: too_many, slow_head, slow_reader, each counted

With TLS a `Handshake` stands before it, and a WebSocket is a `LimitedWebSocket` after it; each counts as one
connection.

Laws: there are never more than `most` connections. Where one too many comes, the one that has been idle longest is
ended. Somebody who only opens connections, or asks and never reads, therefore keeps nobody out.
Law: a client that is refused in the middle of a body can read why. The connection is half-closed, which TLS cannot do,
and what still comes is thrown away. Closing at once would make the kernel throw away the answer.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import h11
from typing_extensions import override
from uvicorn.protocols.http.h11_impl import H11Protocol

HEAD_SECONDS = 10.0
LINGER_SECONDS = 2.0
LINGER_BYTES = 64 << 20
READ_SECONDS = 30.0
"""The time within which an answer must be read on, once no more of it can be sent."""
TOO_MANY, SLOW_HEAD, SLOW_READER = "too_many", "slow_head", "slow_reader"


class LimitedConnection(Protocol):
    """A connection as the limit sees it. busy: True while a request is worked on."""

    @property
    def busy(self) -> bool: ...

    def abort(self) -> None:
        """End the connection at once."""


@dataclass(eq=False)
class HttpConnectionLimit:
    """The bounds of all HTTP connections of one port.

    most: the number of connections at once. dropped: told the reason of each that is ended from here. head_seconds: the
    time for a request's head. read_seconds: the time for an answer that is not read on.
    """

    most: int
    dropped: Callable[[str], None] = lambda reason: None
    head_seconds: float = HEAD_SECONDS
    read_seconds: float = READ_SECONDS
    _open: dict[LimitedConnection, None] = field(default_factory=dict, repr=False)

    @property
    def connections(self) -> tuple[LimitedConnection, ...]:
        """The open connections; the one that has been idle for the longest time is first."""
        return tuple(self._open)

    def protocol(self, **given: Any) -> GuardedHttp:
        """Make the protocol of one connection, for uvicorn."""
        return GuardedHttp(self, **given)

    def enter(self, connection: LimitedConnection) -> None:
        """Add a connection; without room for it, end the one that has been idle longest, or this one where none is idle."""
        self._open[connection] = None
        if len(self._open) > self.most:
            # The newcomer is idle itself, so that there always is one.
            self.drop(next(one for one in self._open if not one.busy), TOO_MANY)

    def idle(self, connection: LimitedConnection) -> None:
        """Note that a connection has had its answer: it is now the one that has been idle for the shortest time."""
        if self._open.pop(connection, self) is None:
            self._open[connection] = None

    def leave(self, connection: LimitedConnection) -> None:
        """Remove a connection that has ended, or whose place another takes."""
        self._open.pop(connection, None)

    def drop(self, connection: LimitedConnection, reason: str) -> None:
        """End a connection at once."""
        self.leave(connection)
        self.dropped(reason)
        connection.abort()

    def stalled(self, connection: LimitedConnection, loop: asyncio.AbstractEventLoop) -> asyncio.TimerHandle:
        """Drop a connection that does not read what is sent, unless the returned timer is cancelled before."""
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
    """One HTTP connection under an `HttpConnectionLimit`."""

    def __init__(self, limit: HttpConnectionLimit, **given: Any) -> None:
        super().__init__(**given)
        self._limit = limit
        self._deadline: asyncio.TimerHandle | None = None
        self._stalled: asyncio.TimerHandle | None = None
        self._upgraded = False
        self._thrown_away = 0
        self.lingering = False

    @property
    def busy(self) -> bool:
        """True while a request is worked on."""
        return self.cycle is not None and not self.cycle.response_complete

    @property
    def has_more_to_come(self) -> bool:
        """True where the other side is within a body."""
        return not self._upgraded and self.conn.their_state is h11.SEND_BODY

    @override
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(_Lingering(transport, self))  # type: ignore[arg-type]
        self._limit.enter(self)
        self._await_head()

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._forget_deadline()
        self._reads_again()
        self._limit.leave(self)
        super().connection_lost(exc)

    @override
    def pause_writing(self) -> None:
        super().pause_writing()
        self._stalled = self._limit.stalled(self, self.loop)

    @override
    def resume_writing(self) -> None:
        self._reads_again()
        super().resume_writing()

    @override
    def data_received(self, data: bytes) -> None:
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

    @override
    def on_response_complete(self) -> None:
        """Note that uvicorn may keep the connection from here on."""
        self._limit.idle(self)
        super().on_response_complete()

    @override
    def send_400_response(self, msg: str) -> None:
        """Refuse; uvicorn would let the request in work answer too, and fail on an answer that has begun."""
        if self.busy:
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        try:
            super().send_400_response(msg)
        except h11.LocalProtocolError:
            # There is an answer already, or it takes no body, as HEAD's.
            self.abort()

    @override
    def handle_websocket_upgrade(self, event: h11.Request) -> None:
        """Become a `LimitedWebSocket`."""
        self._upgraded = True
        self._forget_deadline()
        self._reads_again()
        self._limit.leave(self)
        super().handle_websocket_upgrade(event)

    def linger(self, transport: asyncio.Transport) -> None:
        """Send the rest of the answer and its end, then read a while and throw away what comes."""
        self.lingering = True
        # TLS ends both ways at once. There the answer's length says where it ends, and the end of TLS comes after the
        # while.
        half = transport.can_write_eof()
        if half:
            transport.write_eof()
        transport.resume_reading()
        self._forget_deadline()
        self._deadline = self.loop.call_later(LINGER_SECONDS, self.abort if half else transport.close)

    def abort(self) -> None:
        """End the connection at once."""
        self._forget_deadline()
        self._reads_again()
        if self.transport is not None:
            self.transport.abort()

    def _await_head(self) -> None:
        if self._deadline is None:
            self._deadline = self.loop.call_later(self._limit.head_seconds, lambda: self._limit.drop(self, SLOW_HEAD))

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _reads_again(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None
