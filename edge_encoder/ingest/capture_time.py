"""Reads a capture time as a camera writes it: "2026-03-01T12:00:00.25Z" or "1772366400.25".

    text --capture_time_us--> microseconds since 1970 --rfc3339--> text

Law: rfc3339 writes every time that capture_time_us reads, and it is read again as the same time.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation

from shared.contract.packets import LATEST_CAPTURE_TIME_US, MICROSECONDS
from shared.errors import BadRequest

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_LONGEST = 64


def capture_time_us(text: str) -> int:
    """Return microseconds since 1970 (UTC), rounded. Raises BadRequest."""
    try:
        time_us = _unix_us(text) if text.replace(".", "", 1).isdigit() else _rfc3339_us(text)
        if not 0 <= time_us < LATEST_CAPTURE_TIME_US:
            raise ValueError(text)
    except (ValueError, InvalidOperation, OverflowError) as error:
        raise BadRequest(
            f"{text[:_LONGEST]!r} is no capture time: send RFC 3339 with its zone (2026-03-01T12:00:00.25Z), "
            "or seconds since 1970"
        ) from error
    return time_us


def _unix_us(text: str) -> int:
    # The conversion of a number takes the longer, the more digits somebody sends.
    if len(text) > _LONGEST:
        raise ValueError(text)
    return round(Decimal(text) * MICROSECONDS)


def _rfc3339_us(text: str) -> int:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(text)
    return (moment - _EPOCH) // timedelta(microseconds=1)


def rfc3339(time_us: int) -> str:
    """Return the time as RFC 3339 has it, with microseconds, in UTC."""
    return (_EPOCH + timedelta(microseconds=time_us)).isoformat(timespec="microseconds").replace("+00:00", "Z")
