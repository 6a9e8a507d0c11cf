"""A camera: it posts frames to the edge and gets a receipt for each.

    async with CameraClient("127.0.0.1:50051", "kitchen") as camera:
        receipt = await camera.post(jpeg_bytes)
        async for receipt in camera.stream(frames):     # many over one connection, answered in order
            ...

Law: a frame keeps its capture time through every attempt. So the edge recognises a repeated frame, and each frame gets one receipt.
A frame leaves the window only when it is answered, so that one which a broken connection lost is sent again.
"""

from __future__ import annotations

import asyncio
import io
import logging
import time
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterable
from contextlib import aclosing
from types import TracebackType
from typing import Self

import grpc
import numpy as np
from numpy.typing import NDArray

from shared.contract.geometry import Picture, SourceFrame
from shared.contract.packets import MICROSECONDS, TRACE_HEADER, checked_name, timestamp
from shared.contract.receipts import Outcome, Receipt, receipt_of
from shared.errors import Refused
from shared.transport.credentials import NO_CREDENTIALS, Credentials
from shared.wire import ingest_pb2, ingest_pb2_grpc
from taxon.client._connection import Broken, Patience, Timeouts, failure, open_channel, reopened, shown
from taxon.client._messages import refusal_of
from taxon.client.types import CameraFrame

log = logging.getLogger("taxon.client.camera")

LARGEST_FRAME_BYTES = 1 << 30
"""The edge says what is too large; a limit here would only hide its answer."""
JPEG_QUALITY = 95
RETRIED = grpc.StatusCode.UNAVAILABLE.name

StreamCall = grpc.aio.StreamStreamCall[ingest_pb2.StreamFramesRequest, ingest_pb2.StreamFramesResponse]


class CameraClient:
    """One camera at one edge; raises BadName if the camera's id is not a valid name.

    Each attempt has a deadline (`timeouts.answer`). Broken attempts are repeated until Unreachable is raised, after
    `timeouts.give_up` seconds. Credentials are read again after a break, so that renewed ones are used.
    """

    def __init__(
        self,
        target: str,
        camera_id: str,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - frozen
        credentials: Credentials = NO_CREDENTIALS,
    ) -> None:
        self._credentials = credentials
        self.camera_id = checked_name("camera", camera_id)
        self._target = target
        self._timeouts = timeouts
        self._last_time_us = 0
        self._channel = open_channel(target, timeouts, LARGEST_FRAME_BYTES, credentials)
        self._stub = ingest_pb2_grpc.IngestServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._channel.close(self._timeouts.close)

    async def post(self, picture: Picture, capture_time_us: int | None = None, traceparent: str = "") -> Receipt:
        """Post one frame, and return its receipt when its outcome is known; raises Refused or Unreachable.

        A frame that is refused with the reason DEADLINE_PASSED had no turn in the edge's time. It is not posted again, which
        would only burden an edge that cannot keep up. If it was just being coded, posting the same picture with the same
        capture time returns the earlier receipt.
        """
        request = ingest_pb2.PostFrameRequest(
            camera_id=self.camera_id,
            picture=await _picture_file(picture),
            capture_time=timestamp(self._time_of(capture_time_us)),
        )
        traced = ((TRACE_HEADER, traceparent),) if traceparent else ()
        patience = Patience(self._target, self._timeouts.give_up)
        while True:
            try:
                await patience.connected(self._channel, self._timeouts.connect)
                answer = await self._stub.PostFrame(
                    request,
                    timeout=patience.left(self._timeouts.answer),
                    metadata=(*traced, *shown(self._credentials)),
                )
                patience.succeeded()
                return receipt_of(answer.receipt)
            except Broken as error:
                await self._pause(patience, str(error))
            except grpc.aio.AioRpcError as error:
                found = failure(error)
                if isinstance(found, Refused):
                    raise found from error
                await self._pause(patience, str(found))

    async def stream(
        self, frames: AsyncIterable[CameraFrame | SourceFrame], in_flight: int = 8
    ) -> AsyncGenerator[Receipt, None]:
        """Post many frames over one connection, and give a receipt for each, in their order.

        A refused frame does not end the stream; its receipt has the outcome `refused`.
        in_flight: the most frames that wait for an answer. No further frame is taken from `frames` before one is answered.
        Raises Unreachable, Refused if the whole call is refused, and whatever `frames` raises.
        """
        window = FrameWindow(in_flight)
        patience = Patience(self._target, self._timeouts.give_up)
        filling = asyncio.create_task(self._fill(window, frames))
        try:
            while True:
                try:
                    async with aclosing(self._one_call(window, patience)) as receipts:
                        async for receipt in receipts:
                            yield receipt
                    break
                except Broken as error:
                    await self._pause(patience, str(error))
            await filling
        finally:
            filling.cancel()
            await asyncio.gather(filling, return_exceptions=True)

    async def _fill(self, window: FrameWindow, frames: AsyncIterable[CameraFrame | SourceFrame]) -> None:
        """Put frames into the window while there is room; end the window with the frames, also when they fail."""
        given = aiter(frames)
        try:
            while True:
                await window.room()
                try:
                    frame = await anext(given)
                except StopAsyncIteration:
                    return
                request = ingest_pb2.StreamFramesRequest(
                    camera_id=self.camera_id,
                    picture=await _picture_file(frame.picture),
                    capture_time=timestamp(self._time_of(frame.capture_time_us)),
                    traceparent=frame.traceparent if isinstance(frame, CameraFrame) else "",
                )
                await window.add(request)
        finally:
            if isinstance(given, AsyncGenerator):
                await given.aclose()
            await window.end()

    async def _one_call(self, window: FrameWindow, patience: Patience) -> AsyncGenerator[Receipt, None]:
        """Give the receipts that come over one connection until the window ends; raises Broken or Refused."""
        if await window.oldest() is None:
            return
        await patience.connected(self._channel, self._timeouts.connect)
        call = self._stub.StreamFrames(window.from_oldest(), metadata=shown(self._credentials))
        try:
            while (request := await window.oldest()) is not None:
                receipt = self._receipt(request, await self._answer(call, patience))
                patience.succeeded()
                await window.pop()
                yield receipt
        finally:
            call.cancel()

    async def _answer(self, call: StreamCall, patience: Patience) -> ingest_pb2.StreamFramesResponse:
        try:
            async with asyncio.timeout(patience.left(self._timeouts.answer)):
                answer = await call.read()
        except TimeoutError as error:
            raise Broken("no answer in time") from error
        except grpc.aio.AioRpcError as error:
            raise failure(error) from error
        if not isinstance(answer, ingest_pb2.StreamFramesResponse):
            raise Broken("the edge ended the stream")
        return answer

    def _receipt(self, request: ingest_pb2.StreamFramesRequest, answer: ingest_pb2.StreamFramesResponse) -> Receipt:
        """Return the receipt of an answer; raises Broken if the edge is stopping, so that the frame is sent again."""
        if answer.WhichOneof("answer") != "refusal":
            return receipt_of(answer.receipt)
        refusal = refusal_of(answer.refusal)
        if refusal.code == RETRIED:
            raise Broken(str(refusal))
        return Receipt(self.camera_id, Outcome.REFUSED, request.capture_time.ToMicroseconds(), refusal=refusal)

    def _time_of(self, given_us: int | None) -> int:
        """Return the given capture time, or the time now, made later than the one before.

        A clock that was set back by more than a moment is followed, so that its old error is not kept.
        """
        if given_us is not None:
            return given_us
        now_us, last_us = time.time_ns() // 1000, self._last_time_us
        self._last_time_us = last_us + 1 if last_us - MICROSECONDS < now_us <= last_us else now_us
        return self._last_time_us

    async def _pause(self, patience: Patience, why: str) -> None:
        seconds = patience.pause(why)
        log.debug("camera %s: %s, trying %s again in %.2f s", self.camera_id, why, self._target, seconds)
        await asyncio.sleep(seconds)
        if self._credentials.renewable:
            self._channel = await reopened(
                self._channel, self._target, self._timeouts, LARGEST_FRAME_BYTES, self._credentials
            )
            self._stub = ingest_pb2_grpc.IngestServiceStub(self._channel)


async def _picture_file(picture: Picture) -> bytes:
    return picture if isinstance(picture, bytes) else await asyncio.to_thread(_jpeg, picture)


def _jpeg(pixels: NDArray[np.uint8]) -> bytes:
    try:
        # A camera that posts picture files has no use for Pillow, so it is no part of the base install.
        from PIL import Image
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "pixels are sent as JPEG, and that needs Pillow: pip install pillow, or post a picture file's bytes",
            name=error.name,
        ) from error
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "JPEG", quality=JPEG_QUALITY)
    return buffer.getvalue()


class FrameWindow:
    """A queue of at most `depth` frames. One task fills it and another sends and empties it, on one loop."""

    def __init__(self, depth: int) -> None:
        if depth < 1:
            raise ValueError(f"at least one frame must be in flight, not {depth}")
        self._depth = depth
        self._frames: deque[ingest_pb2.StreamFramesRequest] = deque()
        self._answered = 0
        self._ended = False
        self._changed = asyncio.Condition()

    async def add(self, frame: ingest_pb2.StreamFramesRequest) -> None:
        """Append a frame, once there is room."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._frames) < self._depth)
            self._frames.append(frame)
            self._changed.notify_all()

    async def room(self) -> None:
        """Wait until a frame could be added, so that none is asked for before."""
        async with self._changed:
            await self._changed.wait_for(lambda: len(self._frames) < self._depth)

    async def end(self) -> None:
        """Say that no more frames will be added."""
        async with self._changed:
            self._ended = True
            self._changed.notify_all()

    async def oldest(self) -> ingest_pb2.StreamFramesRequest | None:
        """Wait for a frame that has no answer yet; return None when all are answered and no more will be added."""
        async with self._changed:
            await self._changed.wait_for(lambda: bool(self._frames) or self._ended)
            return self._frames[0] if self._frames else None

    async def pop(self) -> None:
        """Remove the oldest frame, which was answered."""
        async with self._changed:
            self._frames.popleft()
            self._answered += 1
            self._changed.notify_all()

    async def from_oldest(self) -> AsyncGenerator[ingest_pb2.StreamFramesRequest, None]:
        """Give every frame from the oldest unanswered one on, each as soon as it is there, until the window ends."""
        number = self._answered
        while (frame := await self._numbered(number)) is not None:
            number += 1
            yield frame

    async def _numbered(self, number: int) -> ingest_pb2.StreamFramesRequest | None:
        """Wait for the frame of this number, counted from the first one ever added; return None if there will be none."""
        async with self._changed:
            await self._changed.wait_for(lambda: self._ended or number < self._answered + len(self._frames))
            index = number - self._answered
            return self._frames[index] if index < len(self._frames) else None
