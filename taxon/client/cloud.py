"""Asks a cloud which cameras there are, and which tasks can be asked for.

async with CloudClient("127.0.0.1:50061") as cloud:
    for camera in await cloud.list_cameras(): ...
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeVar

import grpc
from google.protobuf.message import Message

from shared.contract.descriptions import BundleInfo, CameraInfo, bundle_of, camera_of
from shared.errors import Refused, Unreachable
from shared.transport.addresses import Targets
from shared.transport.credentials import NO_CREDENTIALS, Credentials
from shared.transport.proxies import proxy_note
from shared.wire import results_pb2, results_pb2_grpc
from taxon.client._connection import Timeouts, failure, open_channel

LARGEST_ANSWER_BYTES = 64 << 20

Answer = TypeVar("Answer")


class CloudClient:
    """A client that asks once, with a deadline (`timeouts.answer`) that includes the wait for a service to come up.

    target: the cloud's address, or those of its replicas separated by commas. Replicas are asked one after the other and
    share the deadline.
    """

    def __init__(
        self,
        target: str,
        timeouts: Timeouts = Timeouts(),  # noqa: B008 - it is frozen
        credentials: Credentials = NO_CREDENTIALS,
    ) -> None:
        self._credentials = credentials
        self._target = target
        self._timeouts = timeouts
        self._targets = Targets(target)
        self._channel = self._opened()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._channel.close(self._timeouts.close)

    async def list_cameras(self) -> tuple[CameraInfo, ...]:
        """Return all cameras that the cloud knows; raises Refused or Unreachable."""
        answer = await self._asked(lambda stub: stub.ListCameras, results_pb2.ListCamerasRequest())
        return tuple(camera_of(camera) for camera in answer.cameras)

    async def describe_bundles(self) -> tuple[BundleInfo, ...]:
        """Return the bundles that are served, with every task that can be asked for; raises Refused or Unreachable."""
        answer = await self._asked(lambda stub: stub.DescribeBundles, results_pb2.DescribeBundlesRequest())
        return tuple(bundle_of(bundle) for bundle in answer.bundles)

    async def task_names(self) -> tuple[str, ...]:
        """Return the names of all tasks that can be asked for, of any bundle; raises as `describe_bundles` does."""
        bundles = await self.describe_bundles()
        return tuple(dict.fromkeys(task.name for bundle in bundles for task in bundle.tasks))

    def _opened(self) -> grpc.aio.Channel:
        return open_channel(self._targets.current, self._timeouts, LARGEST_ANSWER_BYTES, self._credentials)

    async def _asked(
        self,
        method: Callable[[results_pb2_grpc.ResultsServiceAsyncStub], Callable[..., Awaitable[Answer]]],
        request: Message,
    ) -> Answer:
        seconds, why = self._timeouts.answer / len(self._targets), ""
        for _ in range(len(self._targets)):
            stub = results_pb2_grpc.ResultsServiceStub(self._channel)
            try:
                return await method(stub)(
                    request, timeout=seconds, wait_for_ready=True, metadata=self._credentials.metadata()
                )
            except grpc.aio.AioRpcError as error:
                found = failure(error)
                if isinstance(found, Refused):
                    raise found from error
                why = str(found)
            await self._channel.close()
            self._targets.next()
            self._channel = self._opened()
        raise Unreachable(self._target, self._timeouts.answer, why + proxy_note(self._target))
