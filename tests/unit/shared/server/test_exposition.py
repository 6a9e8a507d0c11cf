"""The metrics in the format that is asked for, compressed where that is asked for."""

from __future__ import annotations

import asyncio
import gzip

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.openmetrics.parser import text_string_to_metric_families as open_metrics
from prometheus_client.parser import text_string_to_metric_families as prometheus_text
from starlette.requests import Request

from shared.server.exposition import metrics_answer

PROMETHEUS = (
    "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;q=0.6,application/openmetrics-text;version=0.0.1;q=0.5,"
    "text/plain;version=1.0.0;escaping=allow-utf-8;q=0.4,text/plain;version=0.0.4;q=0.3,*/*;q=0.2"
)
"""The header of Prometheus 3."""


def registry() -> CollectorRegistry:
    made = CollectorRegistry()
    Counter("taxon_test_frames", "Frames", ["camera"], registry=made).labels('a"\\\n').inc(3)
    Histogram("taxon_test_seconds", "Seconds", registry=made).observe(0.1)
    return made


async def asked(**headers: str) -> httpx.Response:
    """Return the answer to a request with these headers, its body as it came and decoded."""
    given = [(name.replace("_", "-").encode(), value.encode("latin-1")) for name, value in headers.items()]
    answer = await metrics_answer(registry(), Request({"type": "http", "headers": given}))
    return httpx.Response(200, headers=dict(answer.headers), content=bytes(answer.body))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "accept", [PROMETHEUS, "application/openmetrics-text", 'Application/OpenMetrics-Text; version="1.0.0"']
)
async def test_openmetrics_when_it_is_asked_for(accept: str) -> None:
    answer = await asked(accept=accept)
    assert answer.headers["content-type"] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert answer.text.endswith("\n# EOF\n")
    families = {family.name: family for family in open_metrics(answer.text)}
    assert families["taxon_test_frames"].type == "counter"
    assert families["taxon_test_frames"].samples[0].value == 3


@pytest.mark.asyncio
@pytest.mark.parametrize(
    "accept",
    [
        "",
        "*/*",
        "text/plain",
        "text/html,application/xhtml+xml,*/*;q=0.8",
        "application/openmetrics-text;q=0",
        "application/openmetrics-text;version=9.9.9",
        "application/openmetrics-text;version=no\x00number",
        "application/openmetrics-text;q=0.1,text/plain;q=0.9",
        "application/json",
    ],
)
async def test_prometheus_text_otherwise(accept: str) -> None:
    answer = await asked(accept=accept)
    assert answer.headers["content-type"].startswith("text/plain; version=")
    assert "# EOF" not in answer.text
    assert any(family.name == "taxon_test_frames" for family in prometheus_text(answer.text))


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("accept_encoding", "is_compressed"),
    [("gzip", True), ("deflate, gzip;q=0.5", True), ("GZIP", True), ("*", True), ("x-gzip", True), ("", False)]
    + [("identity", False), ("gzip;q=0", False), ("br", False), ("gzip;q=0, *", False)],
)
async def test_gzip_when_it_is_asked_for(accept_encoding: str, is_compressed: bool) -> None:
    answer = await asked(accept_encoding=accept_encoding, accept=PROMETHEUS)
    assert ("content-encoding" in answer.headers) is is_compressed
    assert answer.headers["vary"] == "Accept, Accept-Encoding"
    assert answer.text.endswith("# EOF\n")
    plain = (
        await metrics_answer(registry(), Request({"type": "http", "headers": [(b"accept-encoding", b"gzip")]}))
    ).body
    assert b"taxon_test_frames" in gzip.decompress(bytes(plain))


@given(st.text(st.characters(max_codepoint=255), max_size=60), st.text(st.characters(max_codepoint=255), max_size=30))
def test_no_header_breaks_the_answer(accept: str, accept_encoding: str) -> None:
    given = [(b"accept", accept.encode("latin-1")), (b"accept-encoding", accept_encoding.encode("latin-1"))]
    answer = asyncio.run(metrics_answer(registry(), Request({"type": "http", "headers": given})))
    assert answer.status_code == 200
