"""The gRPC service for cameras: taxon.v1.IngestService.

    PostFrame: one frame, one receipt         StreamFrames: many, worked on at the same time, answered in order

A drain ends a stream when all of its frames are answered.

Law: a refused frame does not end its stream. A stream never has more frames without an answer than its
camera may; the rest waits in the camera's own send buffer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
from google.protobuf.message import Message

from edge_encoder.frames import FrameRef
from edge_encoder.ingest.admission import Admission
from shared.contract.packets import LATEST_CAPTURE_TIME_US, MICROSECONDS, TRACE_HEADER
from shared.contract.picture_bytes import unwrapped
from shared.contract.receipts import Receipt, receipt_message
from shared.contract.trace_context import packed
from shared.errors import BadRequest, Draining, ImageError, NotReady, TaxonError
from shared.server.access.callers import Access, Caller
from shared.server.access.interceptors import caller_of_call
from shared.server.access.scopes import Action
from shared.transport.status_codes import abort, rpc_message
from shared.wire import ingest_pb2, ingest_pb2_grpc

NAME = "taxon.v1.IngestService"

Context = grpc.aio.ServicerContext[Message, Message]
FrameRequest = ingest_pb2.PostFrameRequest | ingest_pb2.StreamFramesRequest
Answer = asyncio.Task[Receipt] | TaxonError


class IngestService(ingest_pb2_grpc.IngestServiceServicer):
    """Posts a caller's frames. most_open_of: gives the frames of one stream of a camera that may be without an answer.

    access: None admits every caller.
    """

    def __init__(self, admission: Admission, most_open_of: Callable[[str], int], access: Access | None = None) -> None:
        self._access = access or Access()
        self._admission = admission
        self._most_open_of = most_open_of

    async def PostFrame(self, request: ingest_pb2.PostFrameRequest, context: Context) -> ingest_pb2.PostFrameResponse:
        """Answer one frame when its outcome is known."""
        try:
            caller_of_call(self._access, context, "PostFrame").require(Action.POST, request.camera_id)
            receipt = await self._post(request, _traceparent(context))
        except TaxonError as error:
            await abort(context, error)
        return ingest_pb2.PostFrameResponse(receipt=receipt_message(receipt))

    async def StreamFrames(
        self, requests: AsyncIterator[ingest_pb2.StreamFramesRequest], context: Context
    ) -> AsyncIterator[ingest_pb2.StreamFramesResponse]:
        """Answer many frames over one connection, each once and in order."""
        answers: asyncio.Queue[Answer | None] = asyncio.Queue()
        room = StreamRoom()
        try:
            caller = caller_of_call(self._access, context, "StreamFrames")
            caller.require(Action.POST)
        except TaxonError as error:
            await abort(context, error)
        # Reading and answering are two tasks, so that frames are worked on while earlier ones wait for their answers.
        reads = asyncio.create_task(self._read(requests, _traceparent(context), answers, room, caller))
        reads.add_done_callback(lambda _: answers.put_nowait(None))
        # A camera may keep its stream open for days: a drain does not wait until it sends the next frame.
        closes = asyncio.create_task(self._admission.closing.wait())
        closes.add_done_callback(lambda _: reads.cancel())
        try:
            while (answer := await answers.get()) is not None:
                response = await _response(answer)
                room.leave()
                yield response
            if self._admission.closing.is_set():
                # Every admitted frame is answered; the camera is free to send the rest elsewhere.
                await abort(context, Draining())
            await reads
        finally:
            reads.cancel()
            closes.cancel()
            await asyncio.gather(reads, closes, return_exceptions=True)
            while not answers.empty():
                # The caller is gone, but its frames are coded all the same. asyncio would complain of a refusal
                # that nobody has looked at.
                if isinstance(rest := answers.get_nowait(), asyncio.Task):
                    rest.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def _read(
        self,
        requests: AsyncIterator[ingest_pb2.StreamFramesRequest],
        traceparent: str,
        answers: asyncio.Queue[Answer | None],
        room: StreamRoom,
        caller: Caller,
    ) -> None:
        await room.enter(self._most_open_of(""))
        async for request in requests:
            try:
                caller.require(Action.POST, request.camera_id)
                answers.put_nowait(self._post(request, request.traceparent or traceparent))
            except TaxonError as error:
                answers.put_nowait(error)
                if isinstance(error, Draining | NotReady):
                    # The camera will send this frame again. Frames behind it, taken now, would overtake it.
                    return
            # A stream may carry several cameras, and what is set for one may change while it is open.
            await room.enter(self._most_open_of(request.camera_id))

    def _post(self, request: FrameRequest, traceparent: str) -> asyncio.Task[Receipt]:
        """Post a request's frame. Raises BadRequest, ImageError where there is no picture, or as `Admission.post`."""
        with self._admission.counting_refusals():
            picture = unwrapped(request.picture)
            if not picture:
                raise ImageError("there is no picture: send a JPEG, PNG, WebP or AVIF file")
            given_us = _time_us(request) if request.HasField("capture_time") else None
        camera = self._admission.check(request.camera_id)
        ref = FrameRef.of(camera, picture, given_us, packed(traceparent))
        return self._admission.post(ref, picture)


class StreamRoom:
    """The frames of one stream that are without an answer."""

    def __init__(self) -> None:
        self._inside = 0
        self._left = asyncio.Event()

    async def enter(self, most: int) -> None:
        """Wait until the next frame would be one of at most so many."""
        while self._inside >= most:
            self._left.clear()
            await self._left.wait()
        self._inside += 1

    def leave(self) -> None:
        """Note that a frame is answered."""
        self._inside -= 1
        self._left.set()


async def _response(answer: Answer) -> ingest_pb2.StreamFramesResponse:
    try:
        if isinstance(answer, TaxonError):
            raise answer
        return ingest_pb2.StreamFramesResponse(receipt=receipt_message(await answer))
    except TaxonError as error:
        return ingest_pb2.StreamFramesResponse(refusal=rpc_message(error))


def _time_us(request: FrameRequest) -> int:
    stamp = request.capture_time
    if not (0 <= stamp.seconds < LATEST_CAPTURE_TIME_US // MICROSECONDS and 0 <= stamp.nanos < 1_000_000_000):
        raise BadRequest("the capture time must lie between 1970 and 9999")
    return stamp.seconds * MICROSECONDS + stamp.nanos // 1000


def _traceparent(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == TRACE_HEADER and isinstance(value, str):
            return value
    return ""
