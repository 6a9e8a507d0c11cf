"""Debian's Alertmanager as a process, with the very file of deploy/alertmanager, and somebody who is paged.

    with PageSink() as sink:
        async with AlertmanagerServer(folder, pages_to=sink.url) as alertmanager: ...       sink.pages -> [Page("critical", ...), ...]

Routes and inhibitions are the real ones; a test only gives the receivers a destination, and waits seconds instead of minutes.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx
import yaml
from prometheus_client.parser import text_string_to_metric_families

from tests.support.debian import DebianPackage, killed, says_ready, started
from tests.support.prometheus import ROOT, eventually
from tests.support.services import free_port

CONFIG = ROOT / "deploy" / "alertmanager" / "alertmanager.yml"
BINARY = "prometheus-alertmanager"
START_SECONDS = 30.0
GROUP_WAIT = "2s"
"""Two rounds of the rules, which a test evaluates each second; the real wait is longer than one round, too."""
GROUP_INTERVAL = "1s"

PACKAGE = DebianPackage(BINARY, BINARY, "amtool")


@dataclass(frozen=True)
class PagedAlert:
    """An alert in a page. status: "firing" or "resolved"."""

    status: str
    labels: Mapping[str, str]
    annotations: Mapping[str, str]


@dataclass(frozen=True)
class Page:
    """One notification of a receiver. status: "resolved" where every alert in it is."""

    receiver: str
    status: str
    alerts: Sequence[PagedAlert]

    def __str__(self) -> str:
        told = [" ".join([alert.status, *alert.labels.values()]) for alert in self.alerts]
        return f"{self.receiver} {self.status}: {'; '.join(told)}"

    @property
    def name(self) -> str:
        """Return the name of its one alert; raises AssertionError where there are several."""
        (found,) = {alert.labels["alertname"] for alert in self.alerts}
        return found


class PageSink:
    """An HTTP server that takes Alertmanager's webhooks. pages: those that came, in their order."""

    def __init__(self) -> None:
        self.pages: list[Page] = []
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05})

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_port}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def told(self) -> str:
        """Return all pages as text, for a failing test."""
        return "\n".join(map(str, self.pages)) or "no page"

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        pages = self.pages

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                told = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                alerts = [PagedAlert(one["status"], one["labels"], one["annotations"]) for one in told["alerts"]]
                pages.append(Page(told["receiver"], told["status"], alerts))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:
                """Log nothing: what came is in `pages`."""

        return Handler


@dataclass(frozen=True)
class HeldAlert:
    """An alert that Alertmanager has now. is_silenced: another one inhibits it."""

    labels: Mapping[str, str]
    is_silenced: bool


@dataclass
class AlertmanagerServer:
    """Alertmanager. folder: its data. pages_to: the URL of every receiver; None leaves the file as it is, which tells nobody."""

    folder: Path
    pages_to: str | None = None
    port: int = field(default_factory=free_port)
    process: asyncio.subprocess.Process | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        argv = [BINARY, f"--config.file={self._config()}", f"--storage.path={self.folder / 'data'}"]
        argv += [f"--web.listen-address={self.address}", "--cluster.listen-address=", "--log.level=warn"]
        self._client = httpx.AsyncClient(base_url=f"http://{self.address}", timeout=30)
        log = self.folder / "alertmanager.log"
        self.process = await started(argv, log, lambda: says_ready(self._client), START_SECONDS)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()
        await killed(self.process)

    async def tell(self, alerts: Sequence[Mapping[str, str]]) -> None:
        """Say, as Prometheus would, that alerts with these labels fire; they are taken in this order."""
        answer = await self._client.post("/api/v2/alerts", json=[{"labels": dict(labels)} for labels in alerts])
        assert answer.status_code == 200, answer.text

    async def held(self) -> list[HeldAlert]:
        """Return all alerts that fire."""
        answer = (await self._client.get("/api/v2/alerts")).raise_for_status()
        return [HeldAlert(one["labels"], bool(one["status"]["inhibitedBy"])) for one in answer.json()]

    async def silenced(self) -> set[str]:
        """Return the names of the alerts that another one inhibits."""
        return {alert.labels["alertname"] for alert in await self.held() if alert.is_silenced}

    async def considered(self, times: int) -> None:
        """Wait for so many of its rounds, after which a page that has not come does not come."""
        before = await self._considerations()

        async def is_so() -> bool:
            return await self._considerations() >= before + times

        await eventually(is_so, "rounds of Alertmanager", 30)

    async def _considerations(self) -> float:
        """Return how often it looked up whether a page was sent already."""
        text = (await self._client.get("/metrics")).text
        families: Any = text_string_to_metric_families(text)
        return sum(
            one.value for family in families for one in family.samples if one.name == "alertmanager_nflog_queries_total"
        )

    def _config(self) -> Path:
        self.folder.mkdir(parents=True)
        if self.pages_to is None:
            return CONFIG
        tree = yaml.safe_load(CONFIG.read_text())
        for receiver in tree["receivers"]:
            receiver["webhook_configs"] = [{"url": self.pages_to, "send_resolved": True}]
        for route in (tree["route"], *tree["route"]["routes"]):
            route |= {"group_wait": GROUP_WAIT, "group_interval": GROUP_INTERVAL}
        config = self.folder / "alertmanager.yml"
        config.write_text(yaml.safe_dump(tree))
        return config
