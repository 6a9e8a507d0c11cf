"""WebSockets at the door: what was an HTTP connection keeps its place among them, so that no number of refused ones takes all files.

    GuardedHttp --upgrade--> LimitedWebSocket (uvicorn's) --> the app        dropped: too_many (once it was refused), slow_reader

Laws: one that was sent away makes room for others, whether it says goodbye or not; who does not read gets no answers to its pings,
each of which would stay in memory.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import CloseCode
from websockets.protocol import State

from shared.server.connections.http_limit import HttpConnectionLimit


class LimitedWebSocket(WebSocketsSansIOProtocol):
    """One WebSocket. See `HttpConnectionLimit`."""

    def __init__(self, door: HttpConnectionLimit, **given: Any) -> None:
        super().__init__(**given)
        self._door = door
        self._stalled: asyncio.TimerHandle | None = None

    @property
    def busy(self) -> bool:
        """Whether the app still talks to it."""
        return not self.close_sent and not self.transport.is_closing()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        super().connection_made(transport)
        self._door.enter(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._door.leave(self)
        self._reads_again()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """See asyncio.Protocol."""
        super().pause_writing()
        self._stalled = self._door.stalled(self, self.loop)

    def resume_writing(self) -> None:
        """See asyncio.Protocol."""
        self._reads_again()
        super().resume_writing()

    def handle_ping(self) -> None:
        """See uvicorn."""
        if self._stalled is None:
            super().handle_ping()
        else:
            self.conn.data_to_send()

    def send_receive_event_to_app(self) -> None:
        """See uvicorn, which would tell the log, with a traceback, of each text that is none."""
        if self.curr_msg_data_type == "text" and not self.close_sent and not _is_text(b"".join(self.frames)):
            self.frames = []
            # Where the same bytes end it too, that is what is heeded.
            if self.conn.state is State.OPEN:
                self.conn.send_close(CloseCode.INVALID_DATA)
                self.handle_parser_exception()
        else:
            super().send_receive_event_to_app()

    def abort(self) -> None:
        """Ends it at once."""
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
