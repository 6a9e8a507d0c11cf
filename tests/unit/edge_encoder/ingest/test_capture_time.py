from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_encoder.ingest.http_answers import capture_time_us, rfc3339
from shared.contract.packets import LATEST_CAPTURE_TIME_US
from shared.errors import BadRequest


@pytest.mark.parametrize(
    "text", ["2026-03-01T12:00:00.25Z", "2026-03-01T13:00:00.250000+01:00", "1772366400.25", "1772366400.2500001"]
)
def test_both_ways_of_writing_a_time(text: str) -> None:
    assert capture_time_us(text) == 1_772_366_400_250_000


@pytest.mark.parametrize(
    "text",
    ["", "now", "-1", "1e9", "nan", "2026-03-01T12:00:00", "1969-12-31T23:59:59Z", "9" * 20, "9" * 200, "²", "1.2.3"],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="is no capture time"):
        capture_time_us(text)


@given(st.integers(0, LATEST_CAPTURE_TIME_US - 1))
def test_a_time_that_is_written_is_read_again(time_us: int) -> None:
    assert capture_time_us(rfc3339(time_us)) == time_us
    assert capture_time_us(f"{time_us // 10**6}.{time_us % 10**6:06}") == time_us
