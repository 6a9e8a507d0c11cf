"""TLS in front of HTTP: a connection counts before its handshake, so that one without a handshake is bounded too.

    accepted --HttpConnectionLimit--> Handshake --loop.start_tls--> GuardedHttp, which counts in its place
                          `--> dropped: slow_handshake, failed_handshake

asyncio's own server with a certificate tells its protocol of a connection only when the handshake is done. Where
somebody stays silent, that is a minute after it was accepted.

Laws: every connection is counted. What was decrypted before HTTP took over reaches it first. A handshake that fails is
counted and leaves no traceback.
"""

from __future__ import annotations

import asyncio
import ssl

from typing_extensions import override

from shared.server.connections.http_limit import GuardedHttp, HttpConnectionLimit

SLOW_HANDSHAKE, FAILED_HANDSHAKE = "slow_handshake", "failed_handshake"
GOODBYE_SECONDS = 5.0
"""The time that the other side is given to end TLS on its part, when this one has."""


class Handshake(asyncio.Protocol):
    """A connection until HTTP can be spoken on it. http: the protocol that takes over then."""

    busy = False

    def __init__(self, limit: HttpConnectionLimit, http: GuardedHttp, context: ssl.SSLContext) -> None:
        self._limit = limit
        self._http = http
        self._context = context
        self._early: list[bytes] = []
        self._work: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        # Nothing may be read before TLS is there to read it.
        transport.pause_reading()
        self._transport = transport
        # When uvicorn stops, it ends the connections that it finds there.
        self._http.connections.add(self)  # type: ignore[arg-type]
        self._work = self._http.loop.create_task(self._secured(transport), name="handshake")
        self._limit.enter(self)

    @override
    def data_received(self, data: bytes) -> None:
        """Keep what came in one piece with the handshake's end.

        It is at most what is read at once, since HTTP takes over in the same turn.
        """
        self._early.append(data)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._leave()

    def abort(self) -> None:
        """End the connection at once."""
        self._leave()
        if self._work is not None:
            self._work.cancel()
        if self._transport is not None:
            self._transport.abort()

    def shutdown(self) -> None:
        """End the connection when uvicorn stops: it has asked for nothing yet."""
        self.abort()

    async def _secured(self, plain: asyncio.Transport) -> None:
        try:
            async with asyncio.timeout(self._limit.head_seconds):
                transport = await self._http.loop.start_tls(
                    plain, self, self._context, server_side=True,
                    ssl_handshake_timeout=2 * self._limit.head_seconds, ssl_shutdown_timeout=GOODBYE_SECONDS,
                )  # fmt: skip
        except TimeoutError:
            self._limit.drop(self, SLOW_HANDSHAKE)
        except OSError:
            # There was no TLS, another version, no certificate of ours, or the peer is gone: OpenSSL's errors are
            # OSErrors.
            self._limit.drop(self, FAILED_HANDSHAKE)
        else:
            if transport is not None and not transport.is_closing():
                self._leave()
                transport.set_protocol(self._http)
                self._http.connection_made(transport)
                for data in self._early:
                    self._http.data_received(data)
        finally:
            self._leave()

    def _leave(self) -> None:
        self._limit.leave(self)
        self._http.connections.discard(self)
