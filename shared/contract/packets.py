"""A coded frame on its way: the edge spools it, the uplink carries it, and the cloud decodes it.

Laws: (camera_id, sequence) names a frame for good. A camera's sequences rise in the order of its frames, and none is
used twice, even when the edge's disk is replaced. time_us_of(timestamp(t)) == t for every time that the wire can say.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from google.protobuf.timestamp_pb2 import Timestamp

from shared.contract.geometry import Geometry
from shared.errors import BadName, BadRequest

MICROSECONDS = 1_000_000
LATEST_CAPTURE_TIME_US = 253_402_300_800 * MICROSECONDS
"""The end of the year 9999, the last that the wire's timestamps can say."""
TRACE_CONTEXT_BYTES = 26
TRACE_HEADER = "traceparent"
"""The name of W3C's trace context in HTTP headers and in gRPC metadata."""

_NAME = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)


@dataclass(frozen=True)
class Packet:
    """One frame's bitstream, and all that gives its results their place.

    capture_time_us: the moment when the picture was taken, in microseconds since 1970 (UTC). geometry: the sizes of the
    upright picture and of the network's input. trace_context: W3C's version, trace id, parent id and flags (26 bytes),
    or none.
    """

    camera_id: str
    sequence: int
    capture_time_us: int
    geometry: Geometry
    bitstream: bytes = field(repr=False)
    trace_context: bytes = b""


def checked_name(kind: str, name: str) -> str:
    """Return the name of a camera, edge or subscription (1 to 64 of A-Z a-z 0-9 . _ -); raises BadName for any other."""
    if not _NAME.fullmatch(name):
        raise BadName(kind, name)
    return name


def timestamp(time_us: int) -> Timestamp:
    """Return a time (microseconds since 1970, UTC) as it travels."""
    seconds, rest = divmod(time_us, MICROSECONDS)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def time_us_of(message: Timestamp) -> int:
    """Return a time as it came; raises BadRequest for one outside of the years 1 to 9999."""
    try:
        return message.ToMicroseconds()
    except ValueError as error:
        raise BadRequest(f"a time that cannot be: {error}") from error
