"""grpc.health.v1, which is open to everybody and waits for nobody.

    set --> a status by service --> Check: one answer         Watch: an answer now and at each change, written outside of `set`

The library's servicer writes to watchers while it holds what `set` waits for. One who never reads then stops a service
from becoming ready and from stopping.
Laws: `set` returns at once, whatever watchers do. Few questions are read at the same time: a new one ends the slowest
of the others, so that what comes whole is answered at once. A watcher who does not read is ended.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import Any, TypeAlias

import grpc
from google.protobuf.message import DecodeError
from grpc_health.v1 import health_pb2

MOST_WATCHERS = 64
"""The most watchers of the health, which is open to everybody: so many strangers at most take the place of calls."""
MOST_READERS = 2
"""The questions that are read at the same time: each may be as large as the port's largest message."""
READ_SECONDS = 5.0
"""The time that a question is given to come, unless another one comes before."""
WRITE_SECONDS = 10.0
LONGEST_NAME = 256

NAME = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name
SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
UNKNOWN = health_pb2.HealthCheckResponse.SERVICE_UNKNOWN

Context: TypeAlias = grpc.aio.ServicerContext[bytes, health_pb2.HealthCheckResponse]


class HealthService:
    """What is said of each service. It belongs to the loop."""

    def __init__(self) -> None:
        self._statuses: dict[str, int] = {}
        self._changed = asyncio.Event()
        self._reading: deque[asyncio.Timeout] = deque()
        self._watchers = 0
        self._is_closing = False

    def add_to(self, server: grpc.aio.Server) -> None:
        """Answer this service's methods at the server."""
        # Both are handlers of streams on the server's side, so that nothing of a question is read before its turn.
        handlers: dict[str, grpc.RpcMethodHandler[Any, Any]] = {
            "Check": grpc.stream_unary_rpc_method_handler(self.check, None, _bytes_of),
            "Watch": grpc.stream_stream_rpc_method_handler(self.watch, None, _bytes_of),
        }
        server.add_registered_method_handlers(NAME, handlers)

    def set(self, service: str, status: int) -> None:
        """Say this of a service from now on; without effect once `close` was called."""
        if not self._is_closing:
            self._say({service: status})

    def close(self) -> None:
        """Say of all services that they serve no more, for good, and let every watcher end."""
        self._say(dict.fromkeys(self._statuses, NOT_SERVING))
        self._is_closing = True

    async def check(self, _: Any, context: Context) -> health_pb2.HealthCheckResponse:
        """Answer about one service; NOT_FOUND for one that is unknown."""
        status = self._statuses.get(await self._asked(context))
        if status is None:
            await context.abort(grpc.StatusCode.NOT_FOUND, "there is no such service here")
        return health_pb2.HealthCheckResponse(status=status)

    async def watch(self, _: Any, context: Context) -> None:
        """Answer about one service now and whenever that changes; an unknown one is said to be so, and the call ends."""
        if self._watchers >= MOST_WATCHERS:
            await context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"{MOST_WATCHERS} watch already; ask with Check")
        self._watchers += 1
        try:
            await self._tell(await self._asked(context), context)
        finally:
            self._watchers -= 1

    async def _tell(self, service: str, context: Context) -> None:
        told: int | None = None
        while True:
            changed, status = self._changed, self._statuses.get(service, UNKNOWN)
            if status != told:
                try:
                    async with asyncio.timeout(WRITE_SECONDS):
                        await context.write(health_pb2.HealthCheckResponse(status=status))
                except TimeoutError:
                    await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, f"nothing was read for {WRITE_SECONDS:g} s")
                told = status
            if status == UNKNOWN or self._is_closing:
                return
            await changed.wait()

    async def _asked(self, context: Context) -> str:
        """Return the name of the service that is asked about; ends the call where none comes in time, or no name."""
        message: object = None
        try:
            async with asyncio.timeout(READ_SECONDS) as limit:
                if len(self._reading) >= MOST_READERS:
                    self._reading.popleft().reschedule(0.0)
                self._reading.append(limit)
                message = await context.read()
        except TimeoutError:
            await context.abort(grpc.StatusCode.DEADLINE_EXCEEDED, "the question did not come in time; ask again")
        finally:
            if limit in self._reading:
                self._reading.remove(limit)
        if not isinstance(message, bytes) or len(message) > LONGEST_NAME:
            await context.abort(
                grpc.StatusCode.INVALID_ARGUMENT, f"send one service's name of at most {LONGEST_NAME} bytes"
            )
        try:
            return health_pb2.HealthCheckRequest.FromString(message).service
        except DecodeError:
            await context.abort(grpc.StatusCode.INVALID_ARGUMENT, "this is no HealthCheckRequest")

    def _say(self, statuses: Mapping[str, int]) -> None:
        self._statuses |= statuses
        # Each wait is for one event, so that whoever waits on the old one sees every change after it.
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


def _bytes_of(response: health_pb2.HealthCheckResponse) -> bytes:
    return response.SerializeToString()
