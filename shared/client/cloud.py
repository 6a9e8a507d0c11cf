"""Questions to the cloud: which cameras there are, and which tasks can be asked for.

async with CloudClient("127.0.0.1:50061") as cloud:
    for camera in await cloud.list_cameras(): ...
"""

from __future__ import annotations

from types import TracebackType
from typing import Self

import grpc

from shared.client.connection import Broken, Timeouts, failure, open_channel
from shared.client.messages import bundle_of, camera_of
from shared.client.types import BundleInfo, CameraInfo
from shared.errors import Unreachable
from shared.wire import results_pb2, results_pb2_grpc

LARGEST_ANSWER_BYTES = 64 << 20


class CloudClient:
    """Asks once, with a deadline (`timeouts.answer`) that includes the wait for a service which is not up yet."""

    def __init__(self, target: str, timeouts: Timeouts = Timeouts()) -> None:  # noqa: B008 - it is frozen
        self._target = target
        self._timeouts = timeouts
        self._channel = open_channel(target, timeouts, LARGEST_ANSWER_BYTES)
        self._stub = results_pb2_grpc.ResultsServiceStub(self._channel)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._channel.close(self._timeouts.close)

    async def list_cameras(self) -> tuple[CameraInfo, ...]:
        """All cameras that the cloud knows; raises Refused or Unreachable."""
        try:
            answer = await self._stub.ListCameras(
                results_pb2.ListCamerasRequest(), timeout=self._timeouts.answer, wait_for_ready=True
            )
        except grpc.aio.AioRpcError as error:
            raise self._raised(error) from error
        return tuple(camera_of(camera) for camera in answer.cameras)

    async def describe_bundles(self) -> tuple[BundleInfo, ...]:
        """The bundles that are served and every task that can be asked for; raises Refused or Unreachable."""
        try:
            answer = await self._stub.DescribeBundles(
                results_pb2.DescribeBundlesRequest(), timeout=self._timeouts.answer, wait_for_ready=True
            )
        except grpc.aio.AioRpcError as error:
            raise self._raised(error) from error
        return tuple(bundle_of(bundle) for bundle in answer.bundles)

    async def task_names(self) -> tuple[str, ...]:
        """Every task that can be asked for, of any bundle, by name; raises as `describe_bundles`."""
        bundles = await self.describe_bundles()
        return tuple(dict.fromkeys(task.name for bundle in bundles for task in bundle.tasks))

    def _raised(self, error: grpc.aio.AioRpcError) -> Exception:
        found = failure(error)
        return Unreachable(self._target, self._timeouts.answer, str(found)) if isinstance(found, Broken) else found
