"""The settings of one camera, as a file, an API call or the command line gives them.

    table {"source": "rtsp://...", "most_fps": 5} --plan_of--> CameraPlan --table_of--> the same table

What a plan leaves out (None) is as the service's own settings say.

Law: plan_of(camera, table_of(plan)) == plan. No message about a plan repeats a value of it: a source holds a password.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    TypeAdapter,
    ValidationError,
)
from pydantic.dataclasses import dataclass
from pydantic_core import ErrorDetails

from edge_encoder.encoding.view import WHOLE_PICTURE, View
from shared.contract.packets import checked_name
from shared.errors import BadRequest
from shared.telemetry.redaction import redacted

QueuePolicy = Literal["newest", "all"]
LONGEST_SOURCE = 4096
MOST_COMPLAINTS = 8

FramesPerSecond = Annotated[float, Field(strict=True, gt=0, le=1000, allow_inf_nan=False)]
CameraId = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9._-]{1,64}$")]
Kilobits = Annotated[float, Field(strict=True, gt=0, le=1e6, allow_inf_nan=False)]
OperatingPoint = Annotated[int, Field(strict=True, ge=0, le=15)]


def _spec(text: str) -> str:
    """Return a source's text; raises ValueError for one that no source can have."""
    if not text.strip() or not text.isprintable():
        raise ValueError("must be a folder, file, URL or device, without line breaks or other control characters")
    return text


def _view(given: object) -> View:
    """Return a view as it is, or as it is written; raises BadRequest."""
    return given if isinstance(given, View) else View.read(given)


PlannedView = Annotated[View, PlainValidator(_view), PlainSerializer(View.document)]
Spec = Annotated[str, StringConstraints(min_length=1, max_length=LONGEST_SOURCE, strict=True), AfterValidator(_spec)]


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class CameraPlan:
    """The settings of one camera. Raises ValueError for an impossible value.

    source: what the edge plays as this camera, as `shared.sources` reads it; None for a camera that posts.
    fps: the frames per second to play; None for the source's own. paused: no frame of it is taken or played.
    most_fps: the frames per second that are taken at most. rate: the operating point, the highest with a budget.
    view: the part of its pictures that may be coded.
    """

    camera_id: CameraId
    source: Spec | None = None
    fps: FramesPerSecond | None = None
    paused: Annotated[bool, Field(strict=True)] = False
    most_fps: FramesPerSecond | None = None
    queue_policy: QueuePolicy | None = None
    budget_kbps: Kilobits | None = None
    rate: OperatingPoint | None = None
    view: PlannedView = WHOLE_PICTURE

    def __repr__(self) -> str:
        """Return the plan as a log may have it: a source can hold a password."""
        return f"CameraPlan({self.camera_id!r}, {sorted(table_of(self))})"


PLAN_FIELDS = tuple(field.name for field in fields(CameraPlan) if field.name != "camera_id")
"""The names that a camera's table may have."""

_PLANS = TypeAdapter(CameraPlan)
_COMPLAINTS = {
    "unexpected_keyword_argument": f"is no setting of a camera; they are {', '.join(PLAN_FIELDS)}",
    "missing": "is missing",
}


def plan_of(camera_id: str, table: Mapping[str, Any]) -> CameraPlan:
    """Return the plan that a table gives a camera. Raises BadName, or BadRequest, which names each wrong setting."""
    checked_name("camera", camera_id)
    if "camera_id" in table:
        raise BadRequest(f"camera_id: {_COMPLAINTS['unexpected_keyword_argument']}")
    given = {name: value for name, value in table.items() if value is not None}
    try:
        return _PLANS.validate_python({"camera_id": camera_id, **given})
    except ValidationError as error:
        # Somebody may have put a source where a name should be.
        told = [redacted(_complaint(one)) for one in error.errors(include_input=False)[:MOST_COMPLAINTS]]
        raise BadRequest("; ".join(told)) from None


def table_of(plan: CameraPlan) -> dict[str, Any]:
    """Return what the plan sets, as JSON or TOML can hold it."""
    table: dict[str, Any] = _PLANS.dump_python(plan, mode="json", exclude_defaults=True)
    del table["camera_id"]
    return table


def shown_table(plan: CameraPlan) -> dict[str, Any]:
    """Return what the plan sets, as it may be shown: without passwords."""
    table = table_of(plan)
    return table if plan.source is None else table | {"source": redacted(plan.source)}


def changed_plan(plan: CameraPlan, changes: Mapping[str, Any]) -> CameraPlan:
    """Return the plan with these settings; None takes one back to the service's own. Raises BadRequest."""
    return plan_of(plan.camera_id, table_of(plan) | dict(changes))


def _complaint(problem: ErrorDetails) -> str:
    name = ".".join(str(part)[:256] for part in problem["loc"]) or "the camera"
    told = _COMPLAINTS.get(problem["type"], problem["msg"].removeprefix("Value error, "))
    return f"{name}: {told[:1].lower()}{told[1:]}"
