"""The messages between page and cloud over the wall's WebSocket.

    page  --JSON-->   want: the switches, always all of them      ping: for the clocks      seen: pictures it is done with
    cloud --JSON-->   tasks, cameras, wanted, frames, lost, pong  (what each holds: the functions below)
    cloud --binary--> pictures: 4 bytes length of the JSON header (big endian), the header, the PNG files one after another

Law: a page's message is bounded in length and checked whole; anything that this module does not define is refused.
"""

from __future__ import annotations

import json
import struct
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from cloud_analytics.frames import FrameResult
from cloud_analytics.wall.switches import Plan, WallTask, Wants
from shared.contract.descriptions import CameraInfo
from shared.contract.results import ClassesResult, PictureResult
from shared.errors import BadRequest, TooLarge

MOST_TASKS = 64
MOST_CAMERAS = 256

_Name = Annotated[str, Field(min_length=1, max_length=64)]
_TaskNames = Annotated[tuple[_Name, ...], Field(max_length=MOST_TASKS)]
_CLOSED = ConfigDict(extra="forbid", frozen=True)


class Want(BaseModel):
    """The page's switches: tasks by camera, and tasks for cameras that it has not seen yet."""

    model_config = _CLOSED
    type: Literal["want"]
    new_cameras: _TaskNames
    cameras: Annotated[dict[_Name, _TaskNames], Field(max_length=MOST_CAMERAS)]

    def wants(self) -> Wants:
        return Wants(frozenset(self.new_cameras), {name: frozenset(tasks) for name, tasks in self.cameras.items()})


class Ping(BaseModel):
    """A look at the clocks. at: the page's clock in milliseconds, which comes back in the pong."""

    model_config = _CLOSED
    type: Literal["ping"]
    at: Annotated[float, Field(allow_inf_nan=False)]


class SeenPictures(BaseModel):
    """The page's progress. bytes: all binary messages of this connection that the page has drawn or skipped."""

    model_config = _CLOSED
    type: Literal["seen"]
    bytes: Annotated[int, Field(ge=0, le=1 << 62)]


PageMessage = Want | Ping | SeenPictures
_PAGE_MESSAGE: TypeAdapter[PageMessage] = TypeAdapter(Annotated[PageMessage, Field(discriminator="type")])


def read_message(text: str, largest_bytes: int) -> PageMessage:
    """Read what the page said; raises TooLarge, or BadRequest that says what is wrong with it."""
    size = len(text.encode("utf-8", "surrogatepass"))
    if size > largest_bytes:
        raise TooLarge("a message of the page", size, largest_bytes)
    try:
        return _PAGE_MESSAGE.validate_json(text)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadRequest(f"not a message of the wall: {where + ': ' if where else ''}{first['msg']}") from error


def tasks_message(tasks: Iterable[WallTask]) -> str:
    """Write every task that can be switched on."""
    return _text(
        "tasks",
        tasks=[
            {
                "name": task.name,
                "group": task.group,
                "kind": "dense" if task.is_dense else "classes",
                "classes": [{"label": entry.label, "colour": entry.colour} for entry in task.legend],
            }
            for task in tasks
        ],
    )


def cameras_message(cameras: Sequence[CameraInfo], not_shown: int, now_us: int) -> str:
    """Write the state of every camera that is shown. now_us: the cloud's clock."""
    return _text(
        "cameras",
        now_us=now_us,
        not_shown=not_shown,
        cameras=[
            {
                "camera": state.camera_id,
                "edge": state.edge_id,
                "connected": state.connected,
                "last_received_us": state.last_received_time_us,
            }
            for state in cameras
        ],
    )


def wanted_message(wanted: Plan) -> str:
    """Write what is subscribed to now."""
    return _text(
        "wanted",
        of_all=sorted(wanted.of_all),
        of_single={camera: sorted(tasks) for camera, tasks in sorted(wanted.of_single.items())},
    )


def lost_message(frames: int) -> str:
    """Write for how many frames this page was too slow since it connected."""
    return _text("lost", frames=frames)


def pong_message(at: float, now_us: int) -> str:
    """Answer a ping. now_us: the cloud's clock."""
    return _text("pong", at=at, now_us=now_us)


def frames_message(
    camera: str, frames: Iterable[FrameResult], classes: Iterable[tuple[FrameResult, ClassesResult]]
) -> str:
    """Write what each frame since the last such message cost, and the newest classes with their frames' sequences."""
    return _text(
        "frames",
        camera=camera,
        frames=[_frame(frame) for frame in frames],
        classes={
            output.task: {
                "sequence": frame.packet.sequence,
                "classes": [{"label": one.label, "probability": round(one.probability, 4)} for one in output.classes],
            }
            for frame, output in classes
        },
    )


def pictures_message(camera: str, pictures: Iterable[tuple[FrameResult, PictureResult]]) -> bytes:
    """Write a camera's newest pictures, each with its frame's sequence and capture time; sizes in pixels and bytes."""
    found = list(pictures)
    header = _text(
        "pictures",
        camera=camera,
        pictures=[
            {
                "task": picture.task,
                "sequence": frame.packet.sequence,
                "capture_us": frame.packet.capture_time_us,
                "width": picture.width,
                "height": picture.height,
                "bytes": len(picture.png),
            }
            for frame, picture in found
        ],
    ).encode()
    return b"".join([struct.pack(">I", len(header)), header, *(picture.png for _, picture in found)])


def _frame(frame: FrameResult) -> Mapping[str, Any]:
    packet, coded = frame.packet, frame.packet.geometry.region
    return {
        "sequence": packet.sequence,
        "capture_us": packet.capture_time_us,
        "received_us": frame.received_time_us,
        "bytes": len(packet.bitstream),
        "groups": {group.group: group.bytes for group in frame.groups},
        "rates": {group.group: group.rate for group in frame.groups},
        "width": coded.width,
        "height": coded.height,
        "error": frame.error,
    }


def _text(kind: str, **fields: Any) -> str:
    return json.dumps({"type": kind} | fields, separators=(",", ":"), allow_nan=False)
