"""Messages of proto/taxon/v1 as the clients' own types.

Law: a message that cannot be understood is a BadRequest that says what is wrong with it, never half a result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

from shared.contract.packets import time_us_of
from shared.contract.results import ClassesResult, ClassProbability, GroupBytes, PictureResult, TensorResult
from shared.contract.uplink_stream import geometry_of
from shared.errors import BadRequest, Refused
from shared.wire import results_pb2
from taxon.client.types import Result, TaskResult

_DTYPES: dict[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "uint8": np.dtype("u1")}
_CODES = {code.value[0]: code.name for code in StatusCode}


def refusal_of(status: status_pb2.Status) -> Refused:
    """Return the error that a google.rpc.Status stands for."""
    code = _CODES.get(status.code, str(status.code))
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return Refused(info.reason, status.message, code)
    return Refused(code, status.message, code)


def result_of(message: results_pb2.FrameResult) -> Result:
    """Return a frame's results as they came; raises BadRequest."""
    return Result(
        camera_id=message.camera_id,
        sequence=message.sequence,
        capture_time_us=time_us_of(message.capture_time),
        received_time_us=time_us_of(message.received_time),
        coded_bytes=message.coded_bytes,
        groups=tuple(GroupBytes(group.group, group.rate, group.bytes) for group in message.groups),
        geometry=geometry_of(message.geometry),
        tasks=tuple(_task_of(result) for result in message.results),
        traceparent=message.traceparent,
        bundle_digest=message.bundle_digest,
        error=message.error,
        cursor=message.cursor,
    )


def _task_of(message: results_pb2.TaskResult) -> TaskResult:
    kind = message.WhichOneof("value")
    if kind == "classes":
        found = (ClassProbability(c.index, c.label, c.probability) for c in message.classes.classes)
        return ClassesResult(message.task, tuple(found))
    if kind == "tensor":
        return _tensor_of(message.task, message.tensor)
    if kind == "picture":
        picture = message.picture
        return PictureResult(message.task, picture.png, picture.width, picture.height)
    raise BadRequest(f"the result of {message.task} is of a kind unknown here; update the client")


def _tensor_of(task: str, message: results_pb2.Tensor) -> TensorResult:
    dtype = _DTYPES.get(message.dtype)
    if dtype is None:
        raise BadRequest(f"the result of {task} is of type {message.dtype}; known are {', '.join(_DTYPES)}")
    try:
        return TensorResult(task, np.frombuffer(message.values, dtype).reshape(tuple(message.shape)))
    except ValueError as error:
        raise BadRequest(f"the result of {task} has {len(message.values)} bytes for {list(message.shape)}") from error
