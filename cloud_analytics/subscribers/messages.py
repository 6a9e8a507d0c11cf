"""Results as taxon.v1 messages.

    FrameResult --frame_message--> the message of the same name

Law: numbers travel little-endian, whatever this machine's order.
"""

from __future__ import annotations

from cloud_analytics.frames import FrameResult, TaskOutput
from shared.contract.results import ClassesResult, TensorResult
from shared.contract.timestamps import timestamp
from shared.contract.trace_context import traceparent
from shared.contract.uplink_stream import geometry_message
from shared.wire import results_pb2


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
        groups=[
            results_pb2.GroupBytes(group=group.group, rate=group.rate, bytes=group.bytes) for group in result.groups
        ],
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
