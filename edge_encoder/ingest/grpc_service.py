"""The gRPC door: taxon.v1.IngestService.

    PostFrame: one frame, one receipt         StreamFrames: many, worked on at the same time, answered in order

A drain ends a stream when all of its frames are answered. Law: a frame that is refused ends nothing; a stream never has
more than `most_open` frames without an answer, the rest waits in the camera's own send buffer.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import grpc
from google.protobuf.message import Message

from edge_encoder.frames import Posted
from edge_encoder.ingest.admission import Admission, posted_now
from shared.contract.packets import LATEST_CAPTURE_TIME_US, MICROSECONDS, TRACE_HEADER
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
    """most_open: frames of one stream that are worked on at the same time. access: None lets everybody in."""

    def __init__(self, intake: Admission, most_open: int, access: Access | None = None) -> None:
        self._access = access or Access()
        self._intake = intake
        self._most_open = most_open

    async def PostFrame(self, request: ingest_pb2.PostFrameRequest, context: Context) -> ingest_pb2.PostFrameResponse:
        """One frame; answered when its outcome is known."""
        try:
            caller_of_call(self._access, context, "PostFrame").require(Action.POST, request.camera_id)
            receipt = await self._intake.post(self._posted(request, _traceparent(context)))
        except TaxonError as error:
            await abort(context, error)
        return ingest_pb2.PostFrameResponse(receipt=receipt_message(receipt))

    async def StreamFrames(
        self, requests: AsyncIterator[ingest_pb2.StreamFramesRequest], context: Context
    ) -> AsyncIterator[ingest_pb2.StreamFramesResponse]:
        """Many frames over one connection; one answer for each, in order."""
        answers: asyncio.Queue[Answer | None] = asyncio.Queue()
        room = asyncio.Semaphore(self._most_open)
        try:
            caller = caller_of_call(self._access, context, "StreamFrames")
            caller.require(Action.POST)
        except TaxonError as error:
            await abort(context, error)
        reads = asyncio.create_task(self._read(requests, _traceparent(context), answers, room, caller))
        reads.add_done_callback(lambda _: answers.put_nowait(None))
        closes = asyncio.create_task(self._intake.closing.wait())
        closes.add_done_callback(lambda _: reads.cancel())
        try:
            while (answer := await answers.get()) is not None:
                response = await _response(answer)
                room.release()
                yield response
            if self._intake.closing.is_set():
                # What was taken is answered; the camera is free to go elsewhere with the rest.
                await abort(context, Draining())
            await reads
        finally:
            reads.cancel()
            closes.cancel()
            await asyncio.gather(reads, closes, return_exceptions=True)
            while not answers.empty():
                # The frames are coded all the same; whoever asked is gone, so that a refusal has no one to hear it.
                if isinstance(rest := answers.get_nowait(), asyncio.Task):
                    rest.add_done_callback(lambda task: task.cancelled() or task.exception())

    async def _read(
        self,
        requests: AsyncIterator[ingest_pb2.StreamFramesRequest],
        traceparent: str,
        answers: asyncio.Queue[Answer | None],
        room: asyncio.Semaphore,
        caller: Caller,
    ) -> None:
        await room.acquire()
        async for request in requests:
            try:
                caller.require(Action.POST, request.camera_id)
                answers.put_nowait(self._intake.post(self._posted(request, request.traceparent or traceparent)))
            except TaxonError as error:
                answers.put_nowait(error)
                if isinstance(error, Draining | NotReady):
                    # The camera will send this frame again; taking the ones behind it now would turn their order around.
                    return
            await room.acquire()

    def _posted(self, request: FrameRequest, traceparent: str) -> Posted:
        """Raises BadRequest, or ImageError where there is no picture; counted."""
        try:
            if not request.picture:
                raise ImageError("there is no picture: send a JPEG, PNG or WebP file")
            taken_us = _time_us(request) if request.HasField("capture_time") else None
        except TaxonError as error:
            self._intake.refused(error)
            raise
        return posted_now(request.camera_id, request.picture, taken_us, packed(traceparent))


async def _response(answer: Answer) -> ingest_pb2.StreamFramesResponse:
    try:
        receipt = await answer if isinstance(answer, asyncio.Task) else None
    except TaxonError as error:
        answer = error
        receipt = None
    if receipt is not None:
        return ingest_pb2.StreamFramesResponse(receipt=receipt_message(receipt))
    assert isinstance(answer, TaxonError)
    return ingest_pb2.StreamFramesResponse(refusal=rpc_message(answer))


def _time_us(request: FrameRequest) -> int:
    time = request.capture_time
    if not (0 <= time.seconds < LATEST_CAPTURE_TIME_US // MICROSECONDS and 0 <= time.nanos < 1_000_000_000):
        raise BadRequest("the capture time must lie between 1970 and 9999")
    return time.seconds * MICROSECONDS + time.nanos // 1000


def _traceparent(context: Context) -> str:
    for key, value in context.invocation_metadata() or ():
        if key == TRACE_HEADER and isinstance(value, str):
            return value
    return ""
