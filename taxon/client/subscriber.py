"""A subscriber: it takes results from the cloud once and in order, through every restart of the cloud.

    async with Subscriber("127.0.0.1:50061", Wish(tasks=("class_scene",))) as results:
        async for result in results: ...

    cloud --reader task--> duplicates dropped --bounded buffer--> async for
      ^--- connects again with the cursor of what came last, after a jittered pause

Law: each result is given once, and a camera's results in the order of their sequences. The cloud counts the results that were
lost: when this side is slow, its buffer fills, the stream stands still, and the cloud drops what it cannot deliver.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import uuid
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from types import TracebackType
from typing import Self

import grpc

from shared.contract.packets import checked_name
from shared.contract.wishes import Wish, subscribe_request
from shared.errors import Refused, TaxonError
from shared.transport.addresses import Targets
from shared.transport.credentials import NO_CREDENTIALS, Credentials
from shared.wire import results_pb2, results_pb2_grpc
from taxon.client._connection import Broken, Patience, Timeouts, failure, open_channel, reopened, shown
from taxon.client._messages import result_of
from taxon.client.types import Result

log = logging.getLogger("taxon.client.subscriber")

LARGEST_RESULT_BYTES = 256 << 20
BUFFERED_RESULTS = 16
MOVE_ON_SECONDS = 2.0
"""The longest time that a connection may take while there are other addresses to try."""
UNKNOWN_CAMERA = grpc.StatusCode.NOT_FOUND.name

Call = grpc.aio.StreamStreamCall[results_pb2.SubscribeRequest, results_pb2.SubscribeResponse]


class Subscriber:
    """The results of one subscription; iterate over it once.

    target: the cloud's address, or those of its replicas separated by commas; when one breaks, the next one goes on.
    cursor: the cursor of the last result that an earlier subscriber had, to get what it missed; empty begins now.
    subscription_id: a subscriber that comes back with the same id takes its place again.
    credentials: they are read again for each connection.
    """

    def __init__(
        self,
        target: str,
        wish: Wish = Wish(),  # noqa: B008 - frozen
        *,
        cursor: str = "",
        subscription_id: str | None = None,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        credentials: Credentials = NO_CREDENTIALS,
    ) -> None:
        self.subscription_id = checked_name("subscription", subscription_id or uuid.uuid4().hex)
        self.cursor = cursor
        """The cursor of the last result that was given out, for a later subscriber."""
        self.lost = 0
        """Frames whose results the cloud could not deliver."""
        self.connections = 0
        """Number of times that the subscription was begun; all but the first were after a break."""
        self._target = target
        self._targets = Targets(target)
        self._wish = wish
        self._timeouts = timeouts
        self._credentials = credentials
        self._received_cursor = cursor
        self._last_sequences: dict[str, int] = {}
        self._buffer: deque[Result] = deque()
        self._changed = asyncio.Condition()
        self._is_subscribed = False
        self._writing = asyncio.Lock()
        self._closing = False
        self._over = False
        self._error: TaxonError | None = None
        self._call: Call | None = None
        self._channel = open_channel(self._targets.current, timeouts, LARGEST_RESULT_BYTES, credentials)
        self._reading: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._reading = asyncio.create_task(self._run(), name="subscriber")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Unsubscribe, so that the wish ends at once, or after `timeouts.close` seconds without an answer of the cloud."""
        async with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._reading is not None:
            if (call := self._call) is not None:
                with contextlib.suppress(TimeoutError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
                    async with asyncio.timeout(self._timeouts.close):
                        async with self._writing:
                            await call.done_writing()
                        await asyncio.wait({self._reading})
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)
        await self._channel.close(self._timeouts.close)

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Result:
        """Wait for the next result; raises Refused, Unreachable, or BadRequest for a message of a newer cloud."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._buffer) or self._over or self._closing)
            if self._closing or not self._buffer:
                raise self._error or StopAsyncIteration
            result = self._buffer.popleft()
            self.cursor = result.cursor
            self._changed.notify_all()
            return result

    @property
    def wish(self) -> Wish:
        """The present wish."""
        return self._wish

    @property
    def is_subscribed(self) -> bool:
        """True while the cloud has the wish and the stream stands."""
        return self._is_subscribed

    async def subscribed(self) -> None:
        """Wait until the cloud has the wish, or until the subscriber closes. Raises as iterating does.

        From then on, frames are coded for the wish.
        """
        async with self._changed:
            await self._changed.wait_for(lambda: self._is_subscribed or self._over or self._closing)
            if not self._is_subscribed and self._error is not None:
                raise self._error

    async def change(
        self, *, cameras: Sequence[str] | None = None, tasks: Sequence[str] | None = None, wish: Wish | None = None
    ) -> None:
        """Want other cameras or tasks from now on, or another wish altogether, without a gap in the results.

        The iteration raises Refused if the cloud refuses the change.
        """
        changed = wish or self._wish
        changed = changed if cameras is None else replace(changed, cameras=tuple(cameras))
        self._wish = changed if tasks is None else replace(changed, tasks=tuple(tasks))
        if (call := self._call) is not None:
            # A stream that breaks in this moment is begun again with the new wish.
            with contextlib.suppress(grpc.aio.AioRpcError, asyncio.InvalidStateError):
                async with self._writing:
                    await call.write(self._request())

    def _request(self) -> results_pb2.SubscribeRequest:
        return subscribe_request(self.subscription_id, self._wish, self._received_cursor)

    async def _run(self) -> None:
        """Connect again and again, until this side closes or an error ends the subscription."""
        patience = Patience(self._target, self._timeouts.give_up)
        try:
            while not self._closing:
                try:
                    await self._one_call(patience)
                except Broken as error:
                    await self._pause(patience, str(error))
                    await self._move_on()
        except TaxonError as error:
            self._error = error
        async with self._changed:
            self._over = True
            self._changed.notify_all()

    async def _pause(self, patience: Patience, why: str) -> None:
        if self._closing:
            return
        seconds = patience.pause(why)
        log.debug("%s, trying %s again in %.2f s", why, self._target, seconds)
        await asyncio.sleep(seconds)

    async def _move_on(self) -> None:
        """Take the next address, if there are several, and credentials that may have been renewed."""
        if (len(self._targets) > 1 or self._credentials.renewable) and not self._closing:
            self._targets.next()
            self._channel = await reopened(
                self._channel, self._targets.current, self._timeouts, LARGEST_RESULT_BYTES, self._credentials
            )

    async def _one_call(self, patience: Patience) -> None:
        """Take what comes over one connection until it ends; raises Broken, Refused or BadRequest."""
        others = len(self._targets) > 1
        await patience.connected(
            self._channel, min(self._timeouts.connect, MOVE_ON_SECONDS) if others else self._timeouts.connect
        )
        call = self._call = results_pb2_grpc.ResultsServiceStub(self._channel).Subscribe(
            metadata=shown(self._credentials)
        )
        try:
            async with asyncio.timeout(patience.left(self._timeouts.answer)):
                async with self._writing:
                    await call.write(self._request())
                await self._take(await call.read())
            patience.succeeded()
            self.connections += 1
            while True:
                await self._take(await call.read())
        except TimeoutError as error:
            raise Broken("no subscription in time") from error
        except grpc.aio.AioRpcError as error:
            found = failure(error)
            if isinstance(found, Refused) and found.code == UNKNOWN_CAMERA and self._timeouts.wait_for_cameras:
                found = Broken(str(found))
            raise found from error
        except asyncio.InvalidStateError as error:
            raise Broken("the cloud ended the stream") from error
        except asyncio.CancelledError as error:
            # gRPC cancels a call whose write was given up (a `change` with a deadline), and with it the task that reads.
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
            raise Broken("a change was given up half-way") from error
        finally:
            self._call = None
            self._is_subscribed = False
            call.cancel()

    async def _take(self, event: results_pb2.SubscribeResponse | object) -> None:
        """Handle one event of the stream; raises Broken at its end, or BadRequest."""
        if not isinstance(event, results_pb2.SubscribeResponse):
            raise Broken("the cloud ended the stream")
        kind = event.WhichOneof("event")
        if kind == "subscribed":
            await self._begin(event.subscribed.cursor)
        elif kind == "lost":
            self.lost += event.lost.frames
            log.warning("%d results were lost, %d so far", event.lost.frames, self.lost)
        elif kind == "result":
            await self._keep(result_of(event.result))

    async def _begin(self, cursor: str) -> None:
        # Before the first result, the beginning of the stream is the place to come back to.
        self._received_cursor = self._received_cursor or cursor
        self.cursor = self.cursor or cursor
        async with self._changed:
            self._is_subscribed = True
            self._changed.notify_all()

    async def _keep(self, result: Result) -> None:
        """Put a result into the buffer once there is room, unless it came before."""
        self._received_cursor = result.cursor
        if result.sequence <= self._last_sequences.get(result.camera_id, -1):
            return
        self._last_sequences[result.camera_id] = result.sequence
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._buffer) < BUFFERED_RESULTS or self._closing)
            self._buffer.append(result)
            self._changed.notify_all()
