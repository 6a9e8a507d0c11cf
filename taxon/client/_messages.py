"""Between the clients' types and the messages of proto/taxon/v1.

Law: a message that cannot be understood is a BadRequest that says what is wrong with it, never half a result.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from google.rpc import error_details_pb2, status_pb2
from grpc import StatusCode

from shared.contract.results import ClassesResult, ClassProbability, Encoding, GroupBytes, PictureResult, TensorResult
from shared.contract.uplink_stream import geometry_of
from shared.errors import BadRequest, Refused
from shared.wire import frame_pb2, results_pb2
from taxon.client.types import BundleInfo, CameraInfo, Outcome, Receipt, Result, TaskInfo, TaskResult, Wish

_OUTCOMES = {
    frame_pb2.FRAME_OUTCOME_CODED: Outcome.CODED,
    frame_pb2.FRAME_OUTCOME_NOT_WANTED: Outcome.NOT_WANTED,
    frame_pb2.FRAME_OUTCOME_SUPERSEDED: Outcome.SUPERSEDED,
    frame_pb2.FRAME_OUTCOME_OVER_BUDGET: Outcome.OVER_BUDGET,
}
_ENCODINGS = {Encoding.TENSOR: results_pb2.ENCODING_TENSOR, Encoding.PNG: results_pb2.ENCODING_PNG}
_DTYPES: dict[str, np.dtype[Any]] = {"float32": np.dtype("<f4"), "uint8": np.dtype("u1")}
_CODES = {code.value[0]: code.name for code in StatusCode}


def timestamp(time_us: int) -> Timestamp:
    """A time as it travels."""
    message = Timestamp()
    message.FromMicroseconds(time_us)
    return message


def _time_us(message: Timestamp) -> int:
    try:
        return message.ToMicroseconds()
    except ValueError as error:
        raise BadRequest(f"a time that cannot be: {error}") from error


def receipt_of(message: frame_pb2.FrameReceipt) -> Receipt:
    """A receipt as it came; raises BadRequest for an outcome of a newer release."""
    outcome = _OUTCOMES.get(message.outcome)
    if outcome is None:
        raise BadRequest(f"the edge answers with outcome {message.outcome}, unknown here; update the camera's client")
    return Receipt(
        message.camera_id,
        outcome,
        _time_us(message.capture_time),
        message.sequence,
        message.coded_bytes,
        message.rate,
        tuple(message.groups),
        message.repeated_post,
    )


def refusal_of(status: status_pb2.Status) -> Refused:
    """The error that a google.rpc.Status stands for."""
    code = _CODES.get(status.code, str(status.code))
    for detail in status.details:
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return Refused(info.reason, status.message, code)
    return Refused(code, status.message, code)


def subscribe_request(subscription_id: str, wish: Wish, cursor: str) -> results_pb2.SubscribeRequest:
    """A wish as it travels."""
    hold = Duration()
    hold.FromMicroseconds(round(wish.hold_seconds * 1e6))
    return results_pb2.SubscribeRequest(
        subscription_id=subscription_id,
        camera_ids=wish.cameras,
        tasks=wish.tasks,
        encoding=_ENCODINGS[wish.encoding],
        longest_side_pixels=wish.longest_side_pixels,
        top_classes=wish.top_classes,
        cursor=cursor,
        hold=hold,
    )


def result_of(message: results_pb2.FrameResult) -> Result:
    """A frame's results as they came; raises BadRequest."""
    return Result(
        camera_id=message.camera_id,
        sequence=message.sequence,
        capture_time_us=_time_us(message.capture_time),
        received_time_us=_time_us(message.received_time),
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


def camera_of(message: results_pb2.Camera) -> CameraInfo:
    """A camera as the cloud lists it."""
    return CameraInfo(
        message.camera_id,
        message.edge_id,
        message.connected,
        message.last_sequence,
        _time_us(message.last_capture_time),
        _time_us(message.last_received_time),
    )


def bundle_of(message: results_pb2.BundleDescription) -> BundleInfo:
    """A bundle as the cloud describes it."""
    return BundleInfo(
        message.name,
        message.version,
        message.digest,
        message.input_width,
        message.input_height,
        tuple(
            TaskInfo(task.name, task.group, task.shape, task.dtype, task.unit, tuple(task.labels), task.overlay)
            for task in message.tasks
        ),
        tuple(message.operating_points),
    )
