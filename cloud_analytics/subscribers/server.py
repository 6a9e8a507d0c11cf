"""taxon.v1.ResultsService: analytics clients subscribe, and ask what there is.

    requests --wish--> Subscription --FrameResult or Lost--> responses

Laws: half-closing ends the wish at once, and so does a token that is taken back. Whatever else ends the call counts as
a broken connection, after which the wish is held for as long as it asked. A subscription's id belongs to its token
while it is connected. Numbers travel little-endian, whatever this machine's order.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import grpc

from cloud_analytics.frames import FrameResult, Lost, TaskOutput
from cloud_analytics.readiness import Readiness
from cloud_analytics.subscribers.subscription import Subscription
from cloud_analytics.subscribers.subscriptions import Subscriptions
from shared.contract.descriptions import bundle_message, camera_message
from shared.contract.packets import timestamp
from shared.contract.results import ClassesResult, TensorResult
from shared.contract.trace_context import traceparent
from shared.contract.uplink_stream import geometry_message
from shared.contract.wishes import SubscriberWish, wish_of
from shared.errors import BadRequest, NotAllowed, TaxonError, TooLarge, Unauthenticated, UnknownCamera
from shared.server.access.callers import Access, Caller, IdOwners
from shared.server.access.interceptors import caller_of_call
from shared.server.access.scopes import Action
from shared.telemetry.logs import Throttle, logger
from shared.wire import results_pb2

log = logger("cloud.results")
NAME = results_pb2.DESCRIPTOR.services_by_name["ResultsService"].full_name
FIRST_REQUEST_SECONDS = 10.0
REFUSALS_TOLD_SECONDS = 60.0
BREAK_SHOWS_SECONDS = 0.2
"""So long after the end of the requests a broken connection has shown itself."""

Context = grpc.aio.ServicerContext[results_pb2.SubscribeRequest, results_pb2.SubscribeResponse]
ListContext = grpc.aio.ServicerContext[results_pb2.ListCamerasRequest, results_pb2.ListCamerasResponse]
DescribeContext = grpc.aio.ServicerContext[results_pb2.DescribeBundlesRequest, results_pb2.DescribeBundlesResponse]


class ResultsService:
    """The service of proto/taxon/v1/results.proto.

    largest_message_bytes: a frame whose outputs have more ends its subscription with the reason.
    access: None lets everybody in.
    """

    def __init__(
        self,
        subscriptions: Subscriptions,
        readiness: Readiness,
        largest_message_bytes: int,
        access: Access | None = None,
    ) -> None:
        self._access = access or Access()
        self._subscriptions = subscriptions
        self._readiness = readiness
        self._largest_bytes = largest_message_bytes
        self._id_owners = IdOwners("subscription")
        self._throttles: dict[type[TaxonError], Throttle] = {}

    async def Subscribe(self, request_iterator: AsyncIterator[results_pb2.SubscribeRequest], context: Context) -> None:
        """Serve one subscriber until it or this service ends the stream."""
        try:
            self._readiness.check()
            caller = caller_of_call(self._access, context, "Subscribe")
            caller.require(Action.SUBSCRIBE)
            first = await self._first(context)
            if first is not None:
                wish = wish_of(first)
                with self._id_owners.held(wish.subscription_id, caller):
                    with _only_permitted(wish, caller):
                        subscription = await self._subscriptions.subscribe(wish, caller.name)
                    await self._serve(subscription, context, caller)
        except TaxonError as error:
            self._tell(context.peer(), error)
            await self._readiness.refuse(context, error)

    def _tell(self, peer: str, error: TaxonError) -> None:
        """Log each kind of refusal now and then: clients that wait for a camera ask every few seconds."""
        throttle = self._throttles.setdefault(type(error), Throttle(REFUSALS_TOLD_SECONDS))
        if throttle.due():
            log.info("subscriber refused", peer=peer, reason=str(error), times=throttle.times)

    async def ListCameras(
        self, request: results_pb2.ListCamerasRequest, context: ListContext
    ) -> results_pb2.ListCamerasResponse:
        """Return every camera that the caller may see."""
        try:
            self._readiness.check()
            caller = caller_of_call(self._access, context, "ListCameras")
            caller.require(Action.SUBSCRIBE)
        except TaxonError as error:
            await self._readiness.refuse(context, error)
        cameras = (one for one in self._subscriptions.cameras() if caller.may(Action.SUBSCRIBE, one.camera_id))
        return results_pb2.ListCamerasResponse(cameras=map(camera_message, cameras))

    async def DescribeBundles(
        self, request: results_pb2.DescribeBundlesRequest, context: DescribeContext
    ) -> results_pb2.DescribeBundlesResponse:
        """Return the bundles that are served, and their tasks."""
        try:
            self._readiness.check()
            caller_of_call(self._access, context, "DescribeBundles").require(Action.SUBSCRIBE)
        except TaxonError as error:
            await self._readiness.refuse(context, error)
        return results_pb2.DescribeBundlesResponse(bundles=map(bundle_message, self._subscriptions.describe()))

    async def _first(self, context: Context) -> results_pb2.SubscribeRequest | None:
        try:
            return await asyncio.wait_for(self._next(context), FIRST_REQUEST_SECONDS)
        except TimeoutError as error:
            raise BadRequest(f"no request came within {FIRST_REQUEST_SECONDS:g} s") from error

    async def _serve(self, subscription: Subscription, context: Context, caller: Caller) -> None:
        # Whatever ends the call by surprise, a cancellation too, counts as a broken connection.
        hold = True
        tasks: list[asyncio.Task[None]] = []
        try:
            subscribed = results_pb2.Subscribed(
                subscription_id=subscription.wish.subscription_id, cursor=subscription.cursor
            )
            await context.write(results_pb2.SubscribeResponse(subscribed=subscribed))
            reading = asyncio.create_task(self._read(subscription, context, caller), name="subscriber reads")
            writing = asyncio.create_task(self._write(subscription, context, caller), name="subscriber writes")
            rechecks = caller.asked_again(lambda: _require(subscription.wish, caller))
            tasks += [reading, writing, asyncio.create_task(rechecks, name="subscriber asked again")]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
            hold = False
        except (NotAllowed, Unauthenticated):
            hold = False
            raise
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await subscription.close(hold=hold)

    async def _read(self, subscription: Subscription, context: Context, caller: Caller) -> None:
        """Take new wishes until the client half-closes."""
        while (request := await self._next(context)) is not None:
            wish = wish_of(request)
            with _only_permitted(wish, caller):
                await subscription.change(wish)
        # The requests of a connection that breaks end like those of one that is half-closed; only later does gRPC
        # cancel the call.
        await asyncio.sleep(BREAK_SHOWS_SECONDS)

    async def _next(self, context: Context) -> results_pb2.SubscribeRequest | None:
        request = await context.read()
        return request if isinstance(request, results_pb2.SubscribeRequest) else None

    async def _write(self, subscription: Subscription, context: Context, caller: Caller) -> None:
        while True:
            item = await subscription.next()
            if isinstance(item, FrameResult):
                # Asked again with every frame: the token may have been taken back meanwhile.
                caller.require(Action.SUBSCRIBE, item.packet.camera_id)
            await context.write(self._message(item))

    def _message(self, item: FrameResult | Lost) -> results_pb2.SubscribeResponse:
        if isinstance(item, Lost):
            return results_pb2.SubscribeResponse(lost=results_pb2.ResultsLost(frames=item.frames))
        response = results_pb2.SubscribeResponse(result=frame_message(item))
        if (size := response.ByteSize()) > self._largest_bytes:
            raise TooLarge("a result (ask for a smaller longest_side_pixels, or for PNG)", size, self._largest_bytes)
        return response


@contextmanager
def _only_permitted(wish: SubscriberWish, caller: Caller) -> Iterator[None]:
    """Raise NotAllowed for cameras that the token does not name, and let no error within list any others."""
    _require(wish, caller)
    try:
        yield
    except UnknownCamera as error:
        raise UnknownCamera(error.name, caller.permitted(Action.SUBSCRIBE, error.known)) from error


def _require(wish: SubscriberWish, caller: Caller) -> None:
    if not wish.cameras:
        caller.require_every(Action.SUBSCRIBE)
    for camera_id in wish.cameras:
        caller.require(Action.SUBSCRIBE, camera_id)


def frame_message(result: FrameResult) -> results_pb2.FrameResult:
    """Return a frame as it travels to one subscriber."""
    packet = result.packet
    return results_pb2.FrameResult(
        camera_id=packet.camera_id,
        sequence=packet.sequence,
        capture_time=timestamp(packet.capture_time_us),
        received_time=timestamp(result.received_time_us),
        coded_bytes=len(packet.bitstream),
        geometry=geometry_message(packet.geometry),
        results=[_task_message(one) for one in result.outputs],
        cursor=result.cursor,
        traceparent=traceparent(packet.trace_context),
        bundle_digest=result.bundle_digest,
        error=result.error,
        groups=[results_pb2.GroupBytes(**vars(group)) for group in result.groups],
    )


def _task_message(output: TaskOutput) -> results_pb2.TaskResult:
    if isinstance(output, ClassesResult):
        classes = [results_pb2.ClassProbability(**vars(one)) for one in output.classes]
        return results_pb2.TaskResult(task=output.task, classes=results_pb2.Classes(classes=classes))
    if isinstance(output, TensorResult):
        values = output.values
        tensor = results_pb2.Tensor(
            dtype=values.dtype.name,
            shape=values.shape,
            values=values.astype(values.dtype.newbyteorder("<"), copy=False).tobytes(),
        )
        return results_pb2.TaskResult(task=output.task, tensor=tensor)
    picture = results_pb2.Picture(png=output.png, width=output.width, height=output.height)
    return results_pb2.TaskResult(task=output.task, picture=picture)
