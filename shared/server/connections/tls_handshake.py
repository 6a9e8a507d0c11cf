"""TLS in front of HTTP, so that who never speaks it is bounded as well: a connection is counted before its handshake, not after it.

    accepted --Doorkeeper--> Handshake --loop.start_tls--> GuardedHttp, with the door's next place     slow_handshake, failed_handshake

(asyncio's own server with a certificate tells its protocol of a connection only when the handshake is done, a minute after it was
accepted where somebody stays silent.) Laws: no connection is outside the door; what was decrypted before HTTP took over reaches it
first; a handshake that fails is counted and leaves no traceback.
"""

from __future__ import annotations

import asyncio
import ssl

from shared.server.connections.http_limit import GuardedHttp, HttpConnectionLimit

SLOW_HANDSHAKE, FAILED_HANDSHAKE = "slow_handshake", "failed_handshake"
GOODBYE_SECONDS = 5.0
"""What the other side is given to end TLS on its part, when this one has."""


class Handshake(asyncio.Protocol):
    """One connection until HTTP can be spoken on it. http: who takes over then."""

    busy = False

    def __init__(self, door: HttpConnectionLimit, http: GuardedHttp, context: ssl.SSLContext) -> None:
        self._door = door
        self._http = http
        self._context = context
        self._early: list[bytes] = []
        self._work: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """See asyncio.Protocol."""
        assert isinstance(transport, asyncio.Transport)
        # Nothing may be read before TLS is there to read it.
        transport.pause_reading()
        self._transport = transport
        # uvicorn ends, when it stops, whom it finds there.
        self._http.connections.add(self)  # type: ignore[arg-type]
        self._work = self._http.loop.create_task(self._secured(transport), name="handshake")
        self._door.enter(self)

    def data_received(self, data: bytes) -> None:
        """What came in one piece with the handshake's end: at most what is read at once, since HTTP takes over in the same turn."""
        self._early.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """See asyncio.Protocol."""
        self._leave()

    def abort(self) -> None:
        """Ends it at once."""
        self._leave()
        if self._work is not None:
            self._work.cancel()
        if self._transport is not None:
            self._transport.abort()

    def shutdown(self) -> None:
        """uvicorn stops: it has asked for nothing yet."""
        self.abort()

    async def _secured(self, plain: asyncio.Transport) -> None:
        try:
            async with asyncio.timeout(self._door.head_seconds):
                transport = await self._http.loop.start_tls(
                    plain, self, self._context, server_side=True,
                    ssl_handshake_timeout=2 * self._door.head_seconds, ssl_shutdown_timeout=GOODBYE_SECONDS,
                )  # fmt: skip
        except TimeoutError:
            self._door.drop(self, SLOW_HANDSHAKE)
        except OSError:
            # No TLS, another version, no certificate of ours, or gone: OpenSSL's errors are among these.
            self._door.drop(self, FAILED_HANDSHAKE)
        else:
            if transport is not None and not transport.is_closing():
                self._hand_on(transport)
        finally:
            self._leave()

    def _hand_on(self, transport: asyncio.Transport) -> None:
        self._leave()
        transport.set_protocol(self._http)
        self._http.connection_made(transport)
        for data in self._early:
            self._http.data_received(data)

    def _leave(self) -> None:
        self._door.leave(self)
        self._http.connections.discard(self)
