"""Times between the code (microseconds since 1970, UTC) and protobuf messages.

Law: time_us_of(timestamp(t)) == t for every time that the wire can say.
"""

from __future__ import annotations

from google.protobuf.timestamp_pb2 import Timestamp

from shared.contract.packets import MICROSECONDS
from shared.errors import BadRequest


def timestamp(time_us: int) -> Timestamp:
    """Return a time as it travels."""
    seconds, rest = divmod(time_us, MICROSECONDS)
    return Timestamp(seconds=seconds, nanos=rest * 1000)


def time_us_of(message: Timestamp) -> int:
    """Return a time as it came; raises BadRequest for one outside of the years 1 to 9999."""
    try:
        return message.ToMicroseconds()
    except ValueError as error:
        raise BadRequest(f"a time that cannot be: {error}") from error
