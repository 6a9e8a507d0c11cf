"""Trace context survives its 26 bytes, and nonsense counts as absent."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract.trace_context import packed, traceparent


@given(st.integers(1, (1 << 128) - 1), st.integers(1, (1 << 64) - 1), st.sampled_from([0, 1]))
def test_trace_context_comes_back(trace: int, span: int, flags: int) -> None:
    header = f"00-{trace:032x}-{span:016x}-{flags:02x}"
    assert len(packed(header)) == 26
    assert traceparent(packed(header)) == header


@pytest.mark.parametrize(
    "header", [None, "", "00", "00-" + "0" * 32 + "-" + "1" * 16 + "-01", "ff-" + "1" * 32 + "-1-01"]
)
def test_nonsense_counts_as_absent(header: str | None) -> None:
    assert packed(header) == b""


@given(st.binary(max_size=30))
def test_no_bytes_break_the_way_back(data: bytes) -> None:
    text = traceparent(data)
    assert text == "" or packed(text)[1:25] == data[1:25]
