"""WebSockets under the limit: each keeps its place among the connections, so that refused ones cannot take all files.

    GuardedHttp --upgrade--> LimitedWebSocket (uvicorn's) --> the app
                                  `--> dropped: too_many (once it was refused), slow_reader

Laws: a WebSocket that was sent away makes room for others, whether it says goodbye or not. One that does not read gets
no answers to its pings, each of which would stay in memory.
"""

from __future__ import annotations

import asyncio
from typing import Any

from typing_extensions import override
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode
from websockets.protocol import State

from shared.server.connections.http_limit import HttpConnectionLimit


class LimitedWebSocket(WebSocketsSansIOProtocol):
    """One WebSocket under an `HttpConnectionLimit`."""

    def __init__(self, limit: HttpConnectionLimit, **given: Any) -> None:
        super().__init__(**given)
        self._limit = limit
        self._stalled: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> bool:
        """True while the app still talks to it."""
        return not self.close_sent and not self.transport.is_closing()

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._limit.enter(self)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._limit.leave(self)
        self._reads_again()
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
    def handle_ping(self) -> None:
        """Answer a ping where the other side reads."""
        if self._stalled is None:
            super().handle_ping()
        else:
            self.conn.data_to_send()

    @override
    def send_receive_event_to_app(self) -> None:
        """End a text that is no UTF-8; uvicorn would tell the log of each, with a traceback."""
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_text(b"".join(self.frames)):
            self.frames = []
            # Where the same bytes end the connection too, that end counts.
            if self.conn.state is State.OPEN:
                self.conn.send_close(CloseCode.INVALID_DATA)
                self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    def abort(self) -> None:
        """End the connection at once."""
        self._reads_again()
        self.transport.abort()

    def _reads_again(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True
