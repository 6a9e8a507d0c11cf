"""Wishes and outputs as taxon.v1 messages.

    SubscribeRequest --wish_of--> Wish        FrameOutput --frame_message--> FrameResult

Law: numbers travel little-endian, whatever this machine's order.
"""

from __future__ import annotations

from collections.abc import Iterable

from google.protobuf.timestamp_pb2 import Timestamp

from cloud_analytics.frames import BundleState, CameraState, FrameOutput, ServedTask, TaskOutput, Wish
from shared.contract.packets import MICROSECONDS
from shared.contract.results import ClassesResult, Encoding, TensorResult
from shared.contract.trace_context import traceparent
from shared.contract.uplink_stream import geometry_message
from shared.errors import BadRequest
from shared.wire import results_pb2

DEFAULT_TOP_CLASSES = 5
_ENCODINGS = {
    results_pb2.ENCODING_UNSPECIFIED: Encoding.TENSOR,
    results_pb2.ENCODING_TENSOR: Encoding.TENSOR,
    results_pb2.ENCODING_PNG: Encoding.PNG,
}


def wish_of(request: results_pb2.SubscribeRequest) -> Wish:
    """The wish of a request; raises BadRequest for an encoding that this release does not know."""
    if request.encoding not in _ENCODINGS:
        raise BadRequest(f"encoding {request.encoding} is unknown; take ENCODING_TENSOR or ENCODING_PNG")
    return Wish(
        subscription_id=request.subscription_id,
        cameras=tuple(dict.fromkeys(request.camera_ids)),
        tasks=tuple(dict.fromkeys(request.tasks)),
        encoding=_ENCODINGS[request.encoding],
        longest_side_pixels=request.longest_side_pixels,
        top_classes=request.top_classes or DEFAULT_TOP_CLASSES,
        cursor=request.cursor,
        hold_seconds=request.hold.seconds + request.hold.nanos / 1e9,
    )


def frame_message(output: FrameOutput) -> results_pb2.FrameResult:
    """A frame as one subscriber gets it."""
    packet = output.packet
    return results_pb2.FrameResult(
        camera_id=packet.camera_id,
        sequence=packet.sequence,
        capture_time=timestamp(packet.capture_time_us),
        received_time=timestamp(output.received_time_us),
        coded_bytes=len(packet.bitstream),
        geometry=geometry_message(packet.geometry),
        results=[_task_message(one) for one in output.outputs],
        cursor=output.cursor,
        traceparent=traceparent(packet.trace_context),
        bundle_digest=output.bundle_digest,
        error=output.error,
        groups=[
            results_pb2.GroupBytes(group=group.group, rate=group.rate, bytes=group.bytes) for group in output.groups
        ],
    )


def cameras_message(cameras: Iterable[CameraState]) -> results_pb2.ListCamerasResponse:
    """What the cloud knows of its cameras."""
    return results_pb2.ListCamerasResponse(
        cameras=[
            results_pb2.Camera(
                camera_id=one.camera_id,
                edge_id=one.edge_id,
                connected=one.connected,
                last_sequence=one.last_sequence,
                last_capture_time=timestamp(one.last_capture_time_us),
                last_received_time=timestamp(one.last_received_time_us),
            )
            for one in cameras
        ]
    )


def bundles_message(bundles: Iterable[BundleState]) -> results_pb2.DescribeBundlesResponse:
    """What can be asked for."""
    return results_pb2.DescribeBundlesResponse(
        bundles=[
            results_pb2.BundleDescription(
                name=one.name,
                version=one.version,
                digest=one.digest,
                input_width=one.input.width,
                input_height=one.input.height,
                tasks=[_description(task) for task in one.tasks],
                operating_points=one.operating_points,
            )
            for one in bundles
        ]
    )


def timestamp(microseconds: int) -> Timestamp:
    """Microseconds since 1970 as protobuf writes them."""
    seconds, rest = divmod(microseconds, MICROSECONDS)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def _description(task: ServedTask) -> results_pb2.TaskDescription:
    return results_pb2.TaskDescription(
        name=task.name,
        group=task.group,
        shape=",".join(str(side) for side in task.shape),
        dtype=task.dtype,
        unit=task.unit,
        labels=task.labels,
        overlay=task.overlay,
    )


def _task_message(output: TaskOutput) -> results_pb2.TaskResult:
    if isinstance(output, ClassesResult):
        classes = [
            results_pb2.ClassProbability(index=one.index, label=one.label, probability=one.probability)
            for one in output.classes
        ]
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
