"""Every error has a status on the wire, and the reason survives a real call."""

from __future__ import annotations

from typing import Any, cast

import grpc
import pytest
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from shared import errors
from shared.server.grpc_server import MessageSizes, RpcServer
from shared.transport.grpc_channels import channel_options
from shared.transport.status_codes import INTERNAL, STATUSES, abort, problem, reason_of, rpc_message, status_of
from shared.wire import results_pb2, results_pb2_grpc

EVERY_ERROR = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, errors.TaxonError)]


@pytest.mark.parametrize("kind", EVERY_ERROR, ids=lambda kind: kind.__name__)
def test_every_error_has_a_status_of_its_own_or_of_its_parent(kind: type[errors.TaxonError]) -> None:
    refusals = (errors.RequestError, errors.BitstreamError, errors.ImageError, errors.UnknownName)
    status = status_of(kind.__new__(kind))
    if issubclass(kind, refusals) and kind is not errors.RequestError:
        assert status is not INTERNAL, f"{kind.__name__} is somebody's mistake, not ours"
    assert status in STATUSES.values()


def test_what_nobody_meant_to_raise_is_internal() -> None:
    assert status_of(ZeroDivisionError()) is INTERNAL


def test_a_problem_is_for_people_and_machines() -> None:
    error = errors.TooLarge("the picture", 9, 8)
    assert problem(error) == {
        "title": "TOO_LARGE",
        "status": 413,
        "detail": "the picture has 9 bytes; at most 8 bytes are taken",
    }
    assert rpc_message(error).code == grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]


class Refusing(results_pb2_grpc.ResultsServiceServicer):
    """Refuses everything."""

    async def ListCameras(self, request: object, context: object) -> results_pb2.ListCamerasResponse:
        await abort(context, errors.UnknownCamera("hall", ["door"]))  # type: ignore[arg-type]


@pytest.mark.starts_server
@pytest.mark.asyncio
async def test_a_refusal_crosses_the_wire_with_its_reason() -> None:
    server = RpcServer("127.0.0.1:0", MessageSizes(1 << 20, 1 << 20))
    refusing: Any = Refusing  # what it does not define answers UNIMPLEMENTED; its type stub calls that abstract
    server.add(results_pb2_grpc.add_ResultsServiceServicer_to_server, refusing(), "taxon.v1.ResultsService")
    await server.start()
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=channel_options(1 << 20)) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as refused:
                await results_pb2_grpc.ResultsServiceStub(channel).ListCameras(
                    results_pb2.ListCamerasRequest(), timeout=5
                )
    finally:
        await server.stop(1)
    assert refused.value.code() is grpc.StatusCode.NOT_FOUND
    assert refused.value.details() == "unknown camera hall; known are: door"
    assert reason_of(refused.value) == "UNKNOWN_CAMERA"
    details = rpc_status.from_call(cast(grpc.Call, refused.value)).details
    assert details[0].Is(error_details_pb2.ErrorInfo.DESCRIPTOR)
