"""Small services that keep to proto/taxon/v1 over a real port: an edge that remembers frames, a cloud that has a journal in memory.

They do no vision; they show a client what the real ones show it, breaks of the connection included.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
import numpy as np

from shared.errors import BadName, BadRequest, DeadlinePassed, Draining, TooLarge, UnknownCamera
from shared.server.grpc_server import MessageSizes, RpcServer
from shared.transport.status_codes import abort, rpc_message
from shared.wire import frame_pb2, ingest_pb2, ingest_pb2_grpc, results_pb2, results_pb2_grpc

LARGEST_PICTURE_BYTES = 1000


@asynccontextmanager
async def serving(servicer: Any, port: int = 0) -> AsyncIterator[RpcServer]:
    server = RpcServer(f"127.0.0.1:{port}", MessageSizes(64 << 20, 64 << 20))
    if isinstance(servicer, ingest_pb2_grpc.IngestServiceServicer):
        server.add(ingest_pb2_grpc.add_IngestServiceServicer_to_server, servicer, "taxon.v1.IngestService")
    else:
        server.add(results_pb2_grpc.add_ResultsServiceServicer_to_server, servicer, "taxon.v1.ResultsService")
    await server.start()
    server.set_ready(True)
    try:
        yield server
    finally:
        await server.stop(0)


class SmallEdge(ingest_pb2_grpc.IngestServiceServicer):
    """Codes every frame into no bytes; a repeated post gets its first receipt. break_after: so many answers, then the stream breaks.

    silent_once: the first stream reads and never answers. draining_once: the first answer is a refusal "stopping".
    """

    def __init__(self, break_after: int | None = None, silent_once: bool = False, draining_once: bool = False) -> None:
        self.break_after = break_after
        self.silent_once = silent_once
        self.draining_once = draining_once
        self.receipts: dict[tuple[str, int], frame_pb2.FrameReceipt] = {}
        self.pictures: list[bytes] = []
        self.traceparents: list[str] = []
        self.streams = 0
        self.waiting = 0
        self.most_waiting = 0
        self.answer_seconds = 0.0

    def receipt(self, camera_id: str, picture: bytes, time_us: int) -> frame_pb2.FrameReceipt:
        if camera_id == "refused":
            raise UnknownCamera(camera_id, ["kitchen"])
        if camera_id == "late":
            raise DeadlinePassed("no turn in 30 s")
        if len(picture) > LARGEST_PICTURE_BYTES:
            raise TooLarge("the picture", len(picture), LARGEST_PICTURE_BYTES)
        known = self.receipts.get((camera_id, time_us))
        if known is not None:
            again = frame_pb2.FrameReceipt()
            again.CopyFrom(known)
            again.repeated_post = True
            return again
        self.pictures.append(picture)
        receipt = frame_pb2.FrameReceipt(
            camera_id=camera_id,
            outcome=frame_pb2.FRAME_OUTCOME_CODED,
            sequence=len(self.receipts) + 1,
            coded_bytes=100 + len(self.receipts),
            rate=2,
            groups=["semantic"],
        )
        receipt.capture_time.FromMicroseconds(time_us)
        self.receipts[camera_id, time_us] = receipt
        return receipt

    async def PostFrame(self, request: ingest_pb2.PostFrameRequest, context: Any) -> ingest_pb2.PostFrameResponse:
        self.traceparents.append(dict(context.invocation_metadata()).get("traceparent", ""))
        time_us = request.capture_time.ToMicroseconds()
        try:
            receipt = self.receipt(request.camera_id, request.picture, time_us)
        except (UnknownCamera, TooLarge, DeadlinePassed) as error:
            await abort(context, error)
        if self.break_after is not None and not receipt.repeated_post:
            # The frame was accepted and the answer lost on the way.
            await context.abort(grpc.StatusCode.UNAVAILABLE, "the connection broke")
        return ingest_pb2.PostFrameResponse(receipt=receipt)

    async def StreamFrames(self, requests: Any, context: Any) -> AsyncIterator[ingest_pb2.StreamFramesResponse]:
        self.streams += 1
        answers = 0
        if self.silent_once and self.streams == 1:
            await asyncio.sleep(3600)
        if self.draining_once and self.streams == 1:
            await anext(requests)
            yield ingest_pb2.StreamFramesResponse(refusal=rpc_message(Draining()))
            return
        taken: asyncio.Queue[Any] = asyncio.Queue()

        async def take() -> None:
            async for request in requests:
                self.waiting += 1
                self.most_waiting = max(self.most_waiting, self.waiting)
                taken.put_nowait(request)
            taken.put_nowait(None)

        taking = asyncio.create_task(take())
        try:
            while (request := await taken.get()) is not None:
                await asyncio.sleep(self.answer_seconds)
                self.traceparents.append(request.traceparent)
                self.waiting -= 1
                try:
                    receipt = self.receipt(request.camera_id, request.picture, request.capture_time.ToMicroseconds())
                except (UnknownCamera, TooLarge, DeadlinePassed) as error:
                    yield ingest_pb2.StreamFramesResponse(refusal=rpc_message(error))
                    continue
                if answers == self.break_after:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "the connection broke")
                answers += 1
                yield ingest_pb2.StreamFramesResponse(receipt=receipt)
        finally:
            taking.cancel()
            await asyncio.gather(taking, return_exceptions=True)
            self.waiting = 0


@dataclass
class SmallCloud(results_pb2_grpc.ResultsServiceServicer):
    """A journal of results in memory; a cursor is a position in it. Wishes are kept as they came.

    break_after: so many results, then the stream breaks. overlap: how many results are sent again after a cursor, as at-least-once
    allows.
    """

    results: list[results_pb2.FrameResult] = field(default_factory=list)
    cameras: set[str] = field(default_factory=set)
    break_after: int | None = None
    overlap: int = 0
    lost: int = 0
    most_subscribers: int = 10
    requests: list[results_pb2.SubscribeRequest] = field(default_factory=list)
    half_closed: int = 0
    calls: int = 0
    sent: int = 0

    def __post_init__(self) -> None:
        self.changed = asyncio.Condition()

    async def publish(self, camera_id: str, sequence: int, *tasks: results_pb2.TaskResult) -> None:
        result = results_pb2.FrameResult(
            camera_id=camera_id, sequence=sequence, coded_bytes=101, results=tasks, cursor=str(len(self.results) + 1)
        )
        result.capture_time.FromMicroseconds(1_700_000_000_000_000 + sequence)
        result.received_time.FromMicroseconds(1_700_000_000_500_000 + sequence)
        result.geometry.picture_width, result.geometry.picture_height = 640, 480
        result.geometry.input_width = result.geometry.input_height = 256
        result.groups.add(group="semantic", rate=1, bytes=60)
        result.bundle_digest = bytes(32)
        async with self.changed:
            self.results.append(result)
            self.changed.notify_all()

    async def Subscribe(self, requests: Any, context: Any) -> AsyncIterator[results_pb2.SubscribeResponse]:
        self.calls += 1
        request = await anext(requests)
        await self._check(request, context)
        at = max(0, int(request.cursor) - self.overlap) if request.cursor else len(self.results)
        yield results_pb2.SubscribeResponse(
            subscribed=results_pb2.Subscribed(subscription_id=request.subscription_id, cursor=str(at))
        )
        if self.lost:
            yield results_pb2.SubscribeResponse(lost=results_pb2.ResultsLost(frames=self.lost))
        reading = asyncio.create_task(self._read(requests, context))
        try:
            sent = 0
            while not reading.done():
                # Looked at again soon, because the requests may end meanwhile.
                async with self.changed:
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(0.02):
                            await self.changed.wait()
                while at < len(self.results):
                    if sent == self.break_after:
                        await context.abort(grpc.StatusCode.UNAVAILABLE, "the connection broke")
                    yield results_pb2.SubscribeResponse(result=self.results[at])
                    at, sent, self.sent = at + 1, sent + 1, self.sent + 1
            reading.result()
        finally:
            reading.cancel()

    async def _read(self, requests: Any, context: Any) -> None:
        async for request in requests:
            await self._check(request, context)
        self.half_closed += 1

    async def _check(self, request: results_pb2.SubscribeRequest, context: Any) -> None:
        self.requests.append(request)
        unknown = [camera for camera in request.camera_ids if camera not in self.cameras]
        if unknown:
            await abort(context, UnknownCamera(unknown[0], self.cameras))
        if "no_task" in request.tasks:
            await abort(context, BadRequest("unknown task no_task"))
        if "gone" in request.tasks:
            await abort(context, BadName("camera", "gone"))

    async def ListCameras(
        self, request: results_pb2.ListCamerasRequest, context: Any
    ) -> results_pb2.ListCamerasResponse:
        cameras = [results_pb2.Camera(camera_id=c, edge_id="edge", connected=True) for c in sorted(self.cameras)]
        return results_pb2.ListCamerasResponse(cameras=cameras)

    async def DescribeBundles(
        self, request: results_pb2.DescribeBundlesRequest, context: Any
    ) -> results_pb2.DescribeBundlesResponse:
        await abort(context, BadRequest("nothing is served"))


def tensor(task: str, values: np.ndarray[Any, Any]) -> results_pb2.TaskResult:
    made = results_pb2.Tensor(dtype=values.dtype.name, shape=values.shape, values=values.tobytes())
    return results_pb2.TaskResult(task=task, tensor=made)


def classes(task: str, *labels: str) -> results_pb2.TaskResult:
    found = [results_pb2.ClassProbability(index=i, label=label, probability=0.5) for i, label in enumerate(labels)]
    return results_pb2.TaskResult(task=task, classes=results_pb2.Classes(classes=found))
