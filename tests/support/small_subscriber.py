"""A subscriber of a few lines, for tests of the cloud: it hides nothing, neither a frame given twice nor one left out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.duration_pb2 import Duration

from shared.wire import results_pb2, results_pb2_grpc
from tests.support.small_edge import refusal

SECONDS = 20.0


class SmallSubscriber:
    """One `Subscribe` call. wish: the fields of the first request."""

    def __init__(self, target: str, subscription_id: str = "small", hold_seconds: int = 0, **wish: Any) -> None:
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_receive_message_length", 64 << 20)]
        self._channel = grpc.aio.insecure_channel(target, options=options)
        self.first = results_pb2.SubscribeRequest(
            subscription_id=subscription_id, hold=Duration(seconds=hold_seconds), **wish
        )
        self._call: Any = None
        self.begins = ""
        self.lost = 0

    async def __aenter__(self) -> Self:
        self._call = results_pb2_grpc.ResultsServiceStub(self._channel).Subscribe()
        await self._call.write(self.first)
        try:
            response = await asyncio.wait_for(self._call.read(), SECONDS)
            if response is grpc.aio.EOF:
                raise await refusal(self._call)
        except BaseException:
            await self._channel.close()
            raise
        self.begins = response.subscribed.cursor
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._call.cancel()
        await self._channel.close()

    async def change(self, **wish: Any) -> None:
        """Another wish in place of the first one."""
        await self._call.write(
            results_pb2.SubscribeRequest(subscription_id=self.first.subscription_id, hold=self.first.hold, **wish)
        )

    async def result(self) -> results_pb2.FrameResult:
        """The next frame; losses before it are added up."""
        while True:
            response = await asyncio.wait_for(self._call.read(), SECONDS)
            if response is grpc.aio.EOF:
                raise await refusal(self._call)
            if response.HasField("result"):
                return response.result
            self.lost += response.lost.frames

    async def results(self, count: int) -> list[results_pb2.FrameResult]:
        """The next frames."""
        return [await self.result() for _ in range(count)]

    async def half_close(self) -> None:
        """Unsubscribes; returns when the cloud has ended the call, in order."""
        await self._call.done_writing()
        while await asyncio.wait_for(self._call.read(), SECONDS) is not grpc.aio.EOF:
            pass
        assert await self._call.code() is grpc.StatusCode.OK, await self._call.details()


def sequences(results: Sequence[results_pb2.FrameResult]) -> list[int]:
    return [result.sequence for result in results]
