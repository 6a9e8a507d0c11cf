"""Debian's Prometheus as a process, with the very files of deploy/prometheus; only targets and the pace are the test's.

async with PrometheusServer(folder, edges=["127.0.0.1:8080"], clouds=[...]) as prometheus:
    await prometheus.query("up")  ->  [Sample({"job": ...}, 1.0), ...]
"""

from __future__ import annotations

import asyncio
import math
import re
import shutil
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from tests.support.debian import DebianPackage, killed, says_ready, started
from tests.support.services import free_port

ROOT = Path(__file__).resolve().parents[2]
PROMETHEUS = ROOT / "deploy" / "prometheus"
START_SECONDS = 60.0

PACKAGE = DebianPackage("prometheus", "prometheus", "promtool")


@dataclass(frozen=True)
class Sample:
    """One series' value at one time."""

    labels: Mapping[str, str]
    value: float


@dataclass(frozen=True)
class Series:
    """One series over a while: times in seconds since 1970."""

    labels: Mapping[str, str]
    times: Sequence[float]
    values: Sequence[float]


class QueryRefused(AssertionError):  # noqa: N818 - named after what happened
    """A query that Prometheus does not understand."""


@dataclass
class PrometheusServer:
    """folder: for its data. edges, clouds: host:port of their HTTP. interval_seconds: of scrapes and of rules.

    alertmanagers: host:port of those that it tells of alerts. hastened: what of the alerts' file stands there otherwise, since a test
    does not wait for minutes.

    asked_at: the time (seconds since 1970) that `query` asks about, None for the moment of asking: on a busy machine a later scrape
    may fail, and what was there before is what counts.
    """

    folder: Path
    edges: Sequence[str]
    clouds: Sequence[str]
    interval_seconds: int = 2
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None
    asked_at: float | None = None
    alertmanagers: Sequence[str] = ()
    hastened: Mapping[str, str] = field(default_factory=dict)

    async def __aenter__(self) -> Self:
        config = self._config()
        argv = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={self.folder / 'data'}"]
        argv += [f"--web.listen-address=127.0.0.1:{self.port}", "--log.level=warn"]
        self._client = httpx.AsyncClient(base_url=f"http://127.0.0.1:{self.port}", timeout=60)
        log = self.folder / "prometheus.log"
        self.process = await started(argv, log, lambda: says_ready(self._client), START_SECONDS)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()
        await killed(self.process)

    async def query(self, expression: str) -> list[Sample]:
        """Return an expression's value at `asked_at`; raises QueryRefused."""
        when = {} if self.asked_at is None else {"time": self.asked_at}
        result = (await self._get("/api/v1/query", {"query": expression} | when))["result"]
        return [Sample(_named(one["metric"]), float(one["value"][1])) for one in result]

    async def value(self, expression: str) -> float:
        """Return the one sample of an expression; NaN where there is none."""
        samples = await self.query(expression)
        assert len(samples) <= 1, f"{expression} has {len(samples)} samples"
        return samples[0].value if samples else math.nan

    async def query_range(self, expression: str, start: float, end: float, step_seconds: float) -> list[Series]:
        """Return an expression's values between two times (seconds since 1970); raises QueryRefused."""
        parameters = {"query": expression, "start": start, "end": end, "step": step_seconds}
        result = (await self._get("/api/v1/query_range", parameters))["result"]
        return [
            Series(_named(one["metric"]), [at for at, _ in one["values"]], [float(value) for _, value in one["values"]])
            for one in result
        ]

    async def label_values(self, label: str, selector: str) -> list[str]:
        """Return the values of a label among the series that a selector names."""
        return list(await self._get(f"/api/v1/label/{label}/values", {"match[]": selector}))

    async def rule_groups(self) -> list[dict[str, Any]]:
        """Return the groups of rules as Prometheus' interface gives them."""
        return list((await self._get("/api/v1/rules", {}))["groups"])

    async def scraped(self, times: int = 1) -> None:
        """Wait until every target was scraped so often after now, and the rules were evaluated."""
        since = time.time() + (times - 1) * self.interval_seconds

        async def is_scraped() -> bool:
            targets = (await self._get("/api/v1/targets", {"state": "active"}))["activeTargets"]
            found = len(targets) == len(self.edges) + len(self.clouds)
            well = all(one["health"] == "up" for one in targets)
            return found and well and min(_seconds(one["lastScrape"]) for one in targets) > since

        await eventually(is_scraped, "scrapes by Prometheus", 120)
        # Rules of rules take two rounds.
        scraped_at = time.time() + self.interval_seconds

        async def is_worked_out() -> bool:
            return min(_seconds(one["lastEvaluation"]) for one in await self.rule_groups()) > scraped_at

        await eventually(is_worked_out, "rules worked out by Prometheus", 120)

    async def knows_alertmanagers(self) -> None:
        """Wait until it has found all; it looks after 5 s. An alert from before then is told a minute later."""

        async def is_so() -> bool:
            found = (await self._get("/api/v1/alertmanagers", {}))["activeAlertmanagers"]
            return len(found) == len(self.alertmanagers)

        await eventually(is_so, "Alertmanagers found by Prometheus", 30)

    async def _get(self, path: str, parameters: Mapping[str, Any]) -> Any:
        answer = (await self._client.get(path, params=dict(parameters))).json()
        if answer["status"] != "success":
            raise QueryRefused(f"{parameters}: {answer.get('error')}")
        return answer["data"]

    def _config(self) -> Path:
        folder = self.folder / "config"
        shutil.copytree(PROMETHEUS, folder)
        named = {"edge": self.edges, "cloud": self.clouds, "alertmanager": self.alertmanagers}
        for name, targets in named.items():
            (folder / "targets" / f"{name}.yml").write_text(f"- targets: [{', '.join(targets)}]\n")
        alerts = folder / "rules" / "alerts.yml"
        for written, instead in self.hastened.items():
            assert written in alerts.read_text(), f"no alert has {written!r}"
            alerts.write_text(alerts.read_text().replace(written, instead))
        config = folder / "prometheus.yml"
        pace = f"{self.interval_seconds}s"
        config.write_text(re.sub(r"(scrape_interval|evaluation_interval): 15s", rf"\1: {pace}", config.read_text()))
        return config


async def eventually(is_true: Callable[[], Awaitable[bool]], what: str, seconds: float = 60.0) -> None:
    """Wait until it is so; raises AssertionError naming what did not come."""
    deadline = time.monotonic() + seconds
    while not await is_true():
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s"
        await asyncio.sleep(0.1)


def _named(labels: Mapping[str, str]) -> Mapping[str, str]:
    return {name: value for name, value in labels.items() if name != "__name__"}


def _seconds(text: str) -> float:
    """Return the seconds since 1970 of an RFC 3339 time with nanoseconds, as Prometheus writes it."""
    text = re.sub(r"(\.\d{6})\d+", r"\1", text)
    return datetime.fromisoformat(text).timestamp()
