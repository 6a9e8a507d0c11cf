from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_encoder.ingest.http_answers import capture_time_us, rfc3339
from shared.contract.packets import LATEST_CAPTURE_TIME_US
from shared.errors import BadRequest


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T12:00:00.25Z",
        "2026-03-01T13:00:00.250000+01:00",
        "2026-03-01t12:00:00.25z",
        "2026-03-01 12:00:00.25z",
        "2026-03-01t07:30:00.25-04:30",
        "2026-03-01T12:00:00.25-00:00",
        "2026-03-01T12:00:00.2500004999Z",
        "2026-03-01T12:00:00.2499999Z",
        "2026-03-01T12:00:00.25" + "0" * 500 + "Z",
        "20260301T120000.25Z",
        "1772366400.25",
        "1772366400.2500001",
        "1772366400.25" + "0" * 500,
    ],
)
def test_each_way_of_writing_a_time(text: str) -> None:
    assert capture_time_us(text) == 1_772_366_400_250_000


@pytest.mark.parametrize(
    "text",
    ["", "now", "-1", "1e9", "nan", "2026-03-01T12:00:00", "1969-12-31T23:59:59Z", "9" * 20, "9" * 200, "²", "1.2.3"],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(BadRequest, match="is no capture time"):
        capture_time_us(text)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2026-03-01T12:00:00", "it names no zone"),
        ("2026-03-01 12:00:00", "it names no zone"),
        ("2026-03-01", "it names no zone"),
        ("2026-13-01T12:00:00Z", "month must be in 1..12"),
        ("2016-12-31T23:58:60Z", "only a leap second is 60"),
        ("1772366400250", "a number counts seconds"),
    ],
)
def test_what_could_be_two_times_is_refused_with_what_is_wrong(text: str, said: str) -> None:
    with pytest.raises(BadRequest, match=said):
        capture_time_us(text)


def test_a_leap_second_is_the_moment_after_the_59th() -> None:
    assert capture_time_us("2016-12-31T23:59:60.5Z") == capture_time_us("2017-01-01T00:00:00.5Z")
    assert capture_time_us("2016-12-31T15:59:60-08:00") == capture_time_us("2017-01-01T00:00:00Z")


@given(st.integers(0, 10**9), st.integers(0, 999_999), st.sampled_from("Tt "), st.sampled_from("Zz"))
def test_every_letter_of_rfc_3339_is_read_in_either_case(seconds: int, micros: int, letter: str, zone: str) -> None:
    text = rfc3339(seconds * 10**6 + micros)
    assert capture_time_us(text.replace("T", letter).replace("Z", zone)) == seconds * 10**6 + micros


@given(st.integers(0, LATEST_CAPTURE_TIME_US - 1))
def test_a_time_that_is_written_is_read_again(time_us: int) -> None:
    assert capture_time_us(rfc3339(time_us)) == time_us
    assert capture_time_us(f"{time_us // 10**6}.{time_us % 10**6:06}") == time_us
