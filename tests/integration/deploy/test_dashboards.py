"""Every query of every panel, filled in and asked of the real Prometheus that scraped live services: it parses, and there is data."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.live_stack import CAMERAS, PULLED, THRIFTY, MeasuredStack
from tests.support.prometheus import ROOT, QueryRefused

DASHBOARDS = ROOT / "deploy" / "grafana" / "dashboards"
WINDOW_SECONDS = 30

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.starts_process,
]


@dataclass(frozen=True)
class Asked:
    """A panel's query."""

    dashboard: str
    panel: str
    expression: str

    def __str__(self) -> str:
        return f"{self.dashboard}: {self.panel}: {self.expression}"


def queries() -> Iterator[Asked]:
    for path in sorted(DASHBOARDS.glob("*.json")):
        for panel in json.loads(path.read_text())["panels"]:
            for target in panel["targets"]:
                yield Asked(path.stem, panel["title"], target["expr"])


@pytest.mark.parametrize("asked", list(queries()), ids=str)
async def test_the_query_has_data(played: MeasuredStack, asked: Asked) -> None:
    until = played.prometheus.asked_at
    assert until is not None
    found = []
    for camera in (*CAMERAS, THRIFTY, PULLED):
        expression = asked.expression.replace("$camera", camera)
        assert "$" not in expression, "every variable is filled in"
        found += await played.prometheus.query_range(expression, until - WINDOW_SECONDS, until, 1)
    values = [value for series in found for value in series.values if math.isfinite(value)]
    assert values, str(asked)


async def test_the_cameras_to_choose_from_are_those_that_there_are(played: MeasuredStack) -> None:
    board = json.loads((DASHBOARDS / "camera.json").read_text())
    (variable,) = board["templating"]["list"]
    assert (variable["name"], variable["query"]) == ("camera", "label_values(taxon_edge_frames_total, camera)")
    offered = await played.prometheus.label_values("camera", "taxon_edge_frames_total")
    assert {*CAMERAS, THRIFTY} <= set(offered)


async def test_a_query_that_is_none_is_refused(played: MeasuredStack) -> None:
    """The check above can fail."""
    with pytest.raises(QueryRefused, match="parse error"):
        await played.prometheus.query_range("sum by (camera (up)", time.time() - 5, time.time(), 1)
    assert await played.prometheus.query_range("taxon_edge_that_there_is_not", time.time() - 5, time.time(), 1) == []
