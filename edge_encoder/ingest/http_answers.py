"""Receipts, counts, refusals and capture times as HTTP carries them, typed for OpenAPI.

    "2026-03-01T12:00:00.25Z" or "1772366400.25" --capture_time_us--> microseconds since 1970 --rfc3339--> text

Law: rfc3339 writes every time that capture_time_us reads, and it is read again as the same time.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, JsonValue, WithJsonSchema

from edge_encoder.cameras.book import BookEntry, Origin
from edge_encoder.cameras.plan import QueuePolicy, shown_table
from edge_encoder.ingest.cameras import CameraCounts
from edge_encoder.sight.sights import CameraSight, Sight
from shared.contract.geometry import Damage
from shared.contract.packets import LATEST_CAPTURE_TIME_US, MICROSECONDS
from shared.contract.receipts import ANSWERED, Outcome, Receipt
from shared.errors import BadRequest
from shared.server.access.interceptors import ACCESS_REFUSALS, PROBLEM_JSON
from shared.sources.state import SourceCondition, SourceState
from shared.telemetry.redaction import redacted

_EXAMPLE: dict[str, JsonValue] = {
    "camera_id": "kitchen",
    "outcome": "coded",
    "capture_time": "2026-03-01T12:00:00.250000Z",
    "sequence": 1772366400251,
    "coded_bytes": 133,
    "rate": 1,
    "groups": ["semantic", "geometry"],
    "repeated_post": False,
    "damage": None,
}
_OUTCOME: dict[str, Any] = {"title": Outcome.__name__, "type": "string", "enum": list(ANSWERED)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = 64
_MOST_DIGITS = 30
_MICROSECOND = timedelta(microseconds=1)
_UNIX = re.compile(r"(?=\.?[0-9])([0-9]*)(?:\.([0-9]*))?")
_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}):([0-9]{2})(?:\.([0-9]+))?([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


class ReceiptAnswer(BaseModel):
    """The receipt of one frame."""

    model_config = ConfigDict(json_schema_extra={"examples": [_EXAMPLE]})

    camera_id: str
    outcome: Annotated[Outcome, WithJsonSchema(_OUTCOME)] = Field(
        description="coded: on the edge's disk until the cloud has its results. not_wanted: nobody subscribes. superseded: a newer "
        "frame took its place. over_budget: the camera's bits are spent."
    )
    capture_time: str = Field(description="RFC 3339; the edge's clock where the camera did not say")
    sequence: int = Field(description="rises with every coded frame of a camera; 0 for others")
    coded_bytes: int = Field(description="the whole bitstream, in bytes")
    rate: int = Field(description="the operating point")
    groups: list[str] = Field(description="the task groups that were coded")
    repeated_post: bool = Field(description="this very frame had been accepted before")
    damage: Damage | None = Field(
        description="of the picture, which was coded all the same. no_end: the mark at its end is missing. cut: a few of its "
        "last rows are missing. corrupt: some of it is not what the camera saw. null: none"
    )

    @classmethod
    def of(cls, receipt: Receipt) -> ReceiptAnswer:
        """Return a receipt as it is answered."""
        return cls.model_validate(vars(receipt) | {"capture_time": rfc3339(receipt.capture_time_us)})


_STATE: dict[str, Any] = {"title": SourceState.__name__, "type": "string", "enum": list(SourceState)}


_ORIGIN: dict[str, Any] = {"title": Origin.__name__, "type": "string", "enum": list(Origin)}


class SourceAnswer(BaseModel):
    """A source that the edge plays for a camera."""

    state: Annotated[SourceState, WithJsonSchema(_STATE)] = Field(
        description="connecting: no frame and no error yet. live: frames come. stalled: connected, but no frame for long. "
        "refused: it answers, but gives no pictures. gone: nothing is there that answers."
    )
    since: str = Field(description="when it came into this state, RFC 3339, by the edge's clock as it is now")
    last_error: str | None = Field(description="the reason of its last break, also when it is live again")
    last_frame_time: str | None = Field(description="when its last frame was read; none yet: null")
    frames: int = Field(description="frames that were read of it")
    failures: int = Field(description="breaks and stalls")
    damaged_packets: int = Field(description="packets or files that gave no picture")
    superseded_frames: int = Field(description="frames that a newer one replaced before they were taken")

    @classmethod
    def of(cls, now: SourceCondition, time_us: int) -> SourceAnswer:
        """Return a source's condition as it is answered. time_us: the time of the answer."""
        return cls(
            state=now.state,
            since=_before(time_us, now.state_seconds),
            last_error=redacted(now.error) or None,
            last_frame_time=None if now.frame_age_seconds is None else _before(time_us, now.frame_age_seconds),
            frames=now.frames,
            failures=now.breaks,
            damaged_packets=now.damaged,
            superseded_frames=now.superseded,
        )


_SIGHT: dict[str, Any] = {"title": Sight.__name__, "type": "string", "enum": list(Sight)}


class SightAnswer(BaseModel):
    """What a camera sees, by its pictures; no frame is refused for it."""

    state: Annotated[Sight, WithJsonSchema(_SIGHT)] = Field(
        description="clear: something, and it changes. frozen: the same picture again and again, without a sensor's noise. "
        "black: no light. white: most of it is overexposed. covered: some light, but no form."
    )
    since: str = Field(description="since when, RFC 3339, by the edge's clock as it is now")

    @classmethod
    def of(cls, now: CameraSight, time_us: int) -> SightAnswer:
        """Return a camera's sight as it is answered. time_us: the time of the answer."""
        return cls(state=now.sight, since=_before(time_us, now.seconds))


class ViewAnswer(BaseModel):
    """The part of a camera's pictures that is coded, in fractions of the upright picture."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"crop": [0.0, 0.25, 1.0, 0.75], "masks": []}]})

    crop: list[float] | None = Field(None, description="x, y, width, height; null: the whole picture")
    masks: list[list[list[float]]] = Field(
        [], description="polygons of points x, y; they are filled before anything is coded"
    )


class CameraSettings(BaseModel):
    """What is set for a camera; null is as the edge's own settings say."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"examples": [{"source": "rtsp://admin:secret@10.0.0.7/stream1", "most_fps": 5, "rate": 1}]},
    )

    source: str | None = Field(
        None,
        description="what the edge plays as this camera: a folder, file, URL or device; null where it posts. "
        "A password in it is shown as ***.",
    )
    fps: float | None = Field(None, description="frames a second to play; null: the source's own")
    paused: bool | None = Field(None, description="whether none of its frames are taken")
    most_fps: float | None = Field(None, description="frames a second that are taken at most")
    queue_policy: QueuePolicy | None = None
    budget_kbps: float | None = Field(None, description="bit budget, kbit/s")
    rate: int | None = Field(None, description="operating point; the highest, with a budget")
    view: ViewAnswer | None = None


class CameraAnswer(BaseModel):
    """A camera since the service started; one that never gave a frame has only zeros."""

    camera_id: str
    coded: int
    not_wanted: int
    superseded: int
    over_budget: int
    coded_bytes: int
    last_sequence: int = Field(description="of its last coded frame; 0 for none yet")
    last_capture_time: str | None
    last_frame_time: str | None = Field(description="when its last frame was answered; none yet: null")
    sight: SightAnswer | None = Field(description="what its pictures show; null before the first that was coded")
    source: SourceAnswer | None = Field(
        description="the source that the edge plays for it; null where the camera posts"
    )
    origin: Annotated[Origin, WithJsonSchema(_ORIGIN)] = Field(
        default=Origin.POSTS,
        description="where the camera is named: command_line, file, api, or posts, which is nowhere. Only an api's camera is "
        "changed here; any can be paused.",
    )
    paused: bool = Field(default=False, description="whether its frames are refused")
    settings: CameraSettings | None = Field(
        default=None, description="what is set for it; null for callers that may not manage it"
    )

    def with_entry(self, entry: BookEntry, *, shows_settings: bool) -> CameraAnswer:
        """Return the same camera with what the book of cameras says of it."""
        settings = None
        if shows_settings:
            settings = CameraSettings.model_validate({"paused": entry.plan.paused} | shown_table(entry.plan))
        return self.model_copy(update={"origin": entry.origin, "paused": entry.plan.paused, "settings": settings})

    @classmethod
    def of(cls, counts: CameraCounts, time_us: int) -> CameraAnswer:
        """Return a camera's counts as they are answered. time_us: the time of the answer."""
        last, outcomes, age_seconds = counts.last, counts.outcomes, counts.answered_age_seconds
        return cls(
            camera_id=counts.camera_id,
            coded=outcomes.get(Outcome.CODED, 0),
            not_wanted=outcomes.get(Outcome.NOT_WANTED, 0),
            superseded=outcomes.get(Outcome.SUPERSEDED, 0),
            over_budget=outcomes.get(Outcome.OVER_BUDGET, 0),
            coded_bytes=counts.coded_bytes,
            last_sequence=0 if last is None else last.sequence,
            last_capture_time=None if last is None else rfc3339(last.capture_time_us),
            last_frame_time=None if age_seconds is None else _before(time_us, age_seconds),
            sight=None if counts.sight is None else SightAnswer.of(counts.sight, time_us),
            source=None if counts.source is None else SourceAnswer.of(counts.source, time_us),
        )


class CamerasAnswer(BaseModel):
    """All cameras, by name."""

    cameras: list[CameraAnswer]


class ProblemAnswer(BaseModel):
    """The reason why a post was refused (RFC 9457)."""

    title: str = Field(description="the reason, for machines", examples=["NOT_A_PICTURE"])
    status: int = Field(examples=[400])
    detail: str = Field(description="the reason and what to do about it, for people")


_REFUSALS: dict[int | str, str] = {
    **ACCESS_REFUSALS,
    400: "No picture, a bad camera id or a bad capture time",
    404: "A camera that this edge does not know or take",
    409: "The camera is paused, or its settings stand in another place",
    413: "The picture, or what is set for a camera, is too large",
    415: "A format that is not taken, or a Content-Encoding that is not",
    500: "The edge failed to code the frame",
    503: "The service is starting or stopping",
    504: "The frame had no turn in time",
    "default": "Any other refusal",
}
# FastAPI would write a model under application/json; LATER brings the schema that is named here.
_PROBLEM = {PROBLEM_JSON: {"schema": {"$ref": f"#/components/schemas/{ProblemAnswer.__name__}"}}}

REFUSALS: dict[int | str, dict[str, Any]] = {
    status: {"description": text, "content": _PROBLEM} for status, text in _REFUSALS.items()
}
"""The refusals of a post, as FastAPI's `responses` takes them."""

CHANGE_REFUSALS: dict[int | str, dict[str, Any]] = {
    **{status: REFUSALS[status] for status in (400, 401, 403, 404, 409, 413)},
    412: {"description": "The camera is not as If-Match or If-None-Match say", "content": _PROBLEM},
    429: {"description": "There are too many cameras, or the disk is full", "content": _PROBLEM},
}
"""The refusals of a change of what is set for a camera."""

ACCESS_ONLY: dict[int | str, dict[str, Any]] = {status: REFUSALS[status] for status in ACCESS_REFUSALS}
"""The refusals of the routes that only ask who calls."""

LATER: dict[int | str, dict[str, Any]] = {
    429: {
        "model": ReceiptAnswer | ProblemAnswer,
        "content": _PROBLEM,
        "description": "Not coded, post slower: superseded or over budget (a receipt), or the queue or the disk is full, "
        "or the camera is over its rate (a problem)",
        "headers": {"Retry-After": {"description": "Seconds", "schema": {"type": "integer"}}},
    }
}


def capture_time_us(text: str) -> int:
    """Return microseconds since 1970 (UTC), rounded to the nearest. Raises BadRequest, which says what is wrong."""
    try:
        unix = _UNIX.fullmatch(text)
        time_us = _microseconds(unix[1], unix[2]) if unix else _rfc3339_us(text)
        if not 0 <= time_us < LATEST_CAPTURE_TIME_US:
            raise ValueError("it must lie between 1970 and 9999, and a number counts seconds")
    except ValueError as error:
        raise BadRequest(
            f"{text[:_LONGEST]!r} is no capture time ({error}): send RFC 3339 with its zone "
            "(2026-03-01T12:00:00.25Z), or seconds since 1970"
        ) from error
    return time_us


def _microseconds(whole: str, fraction: str | None) -> int:
    """Return seconds as microseconds. The conversion of a number takes the longer, the more digits somebody sends."""
    if len(whole) > _MOST_DIGITS:
        raise ValueError("it has too many digits")
    return round(Decimal(f"0{whole}.{(fraction or '')[:_MOST_DIGITS]}0") * MICROSECONDS)


def _rfc3339_us(text: str) -> int:
    found = _RFC3339.fullmatch(text)
    if found is None:
        return _iso8601_us(text)
    day, minutes, second, fraction, zone = found.groups()
    # Python's calendar has no leap seconds: 60 is the moment after 59, as in Unix time.
    is_leap = second == "60"
    if is_leap and not minutes.endswith("59"):
        raise ValueError("only a leap second is 60")
    moment = datetime.fromisoformat(f"{day}T{minutes}:{'59' if is_leap else second}{zone.upper()}")
    return (moment - _EPOCH) // _MICROSECOND + is_leap * MICROSECONDS + _microseconds("", fraction)


def _iso8601_us(text: str) -> int:
    """Return the time of a text that is ISO 8601, and nearly RFC 3339: without its colons, or without its seconds."""
    if len(text) > _LONGEST:
        raise ValueError("it is neither RFC 3339 nor a number")
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("it names no zone, such as Z or +01:00")
    return (moment - _EPOCH) // _MICROSECOND


def rfc3339(time_us: int) -> str:
    """Return the time as RFC 3339 has it, with microseconds, in UTC."""
    return (_EPOCH + timedelta(microseconds=time_us)).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _before(time_us: int, seconds: float) -> str:
    """Return the moment so long before a time. It is counted backwards, so that a clock that was set makes no odds."""
    return rfc3339(max(0, time_us - round(seconds * MICROSECONDS)))
