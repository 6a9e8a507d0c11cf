"""Operators are paged: live services, Prometheus with our rules, Alertmanager with our routes, and an HTTP server that takes the pages.

A camera goes dark, and comes back; the cloud dies, and only that is told. Then every pair of our alerts: which silences which.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import yaml

from taxon.client import CameraClient
from tests.integration.deploy.test_rules import ALERTS
from tests.support.alertmanager import CONFIG, AlertmanagerServer, PageSink
from tests.support.alertmanager import PACKAGE as ALERTMANAGER_PACKAGE
from tests.support.pictures import picture
from tests.support.prometheus import PACKAGE as PROMETHEUS_PACKAGE
from tests.support.prometheus import PROMETHEUS, PrometheusServer, eventually
from tests.support.services import ServiceProcess, running

pytestmark = pytest.mark.starts_process

HALL, KITCHEN = "hall", "kitchen"
POST_EVERY_SECONDS = 0.3
HASTENED = {":max > 120": ":max > 4", "for: 1m\n": "for: 1s\n", "for: 2m\n": "for: 3s\n"}
"""What comes after what stays so: TaxonNoCloud before TaxonUplinkDown."""
PAGE_SECONDS = 25.0

Labels = Mapping[str, str]


@dataclass
class Watched:
    """What is running, and who is paged."""

    cloud: ServiceProcess
    edge: ServiceProcess
    prometheus: PrometheusServer
    alertmanager: AlertmanagerServer
    sink: PageSink

    async def settled(self) -> None:
        """Waits until all is well. Prometheus finds its targets after 5 s, and until then there is no cloud, for longer than the
        test's second though not than the real minute.
        """

        async def is_so() -> bool:
            up, alerts = await self.prometheus.query("up == 1"), await self.prometheus.query("ALERTS")
            return len(up) == 2 and not alerts

        await self.prometheus.knows_alertmanagers()
        await eventually(is_so, "no alert", PAGE_SECONDS)

    async def page(self, number: int) -> None:
        """Waits until so many pages have come."""

        async def is_here() -> bool:
            return len(self.sink.pages) >= number

        await eventually(is_here, f"page {number} after:\n{self.sink.told()}\n", PAGE_SECONDS)

    @asynccontextmanager
    async def posting(self, *camera_ids: str) -> AsyncIterator[None]:
        """These cameras post, and Prometheus knows of it; afterwards they are silent."""
        before = {camera_id: await self._last_frame(camera_id) for camera_id in camera_ids}
        tasks = [asyncio.create_task(self._post(camera_id)) for camera_id in camera_ids]

        async def is_seen() -> bool:
            return all([await self._last_frame(camera_id) > last for camera_id, last in before.items()])

        try:
            await eventually(is_seen, "a scrape of the cameras' frames", PAGE_SECONDS)
            yield
        finally:
            for task in tasks:
                task.cancel()
            ended = await asyncio.gather(*tasks, return_exceptions=True)
        assert all(isinstance(one, asyncio.CancelledError) for one in ended), ended

    async def _post(self, camera_id: str) -> None:
        async with CameraClient(self.edge.rpc, camera_id) as camera:
            while True:
                await camera.post(picture())
                await asyncio.sleep(POST_EVERY_SECONDS)

    async def _last_frame(self, camera_id: str) -> float:
        found = await self.prometheus.query(f'taxon_edge_camera_last_frame_timestamp_seconds{{camera="{camera_id}"}}')
        return found[0].value if found else 0.0


@asynccontextmanager
async def watched_services(folder: Path, bundle: Path) -> AsyncIterator[Watched]:
    cloud = ServiceProcess("cloud", folder / "cloud", ("--bundles", str(bundle.parents[1]), "--threads", "1"))
    options = ("--cloud", cloud.rpc, "--bundle", str(bundle), "--threads", "1")
    edge = ServiceProcess("edge", folder / "edge", options)
    (folder / "prometheus").mkdir()
    with PageSink() as sink:
        async with (
            running(cloud, edge),
            AlertmanagerServer(folder / "alertmanager", sink.url) as alertmanager,
            PrometheusServer(
                folder / "prometheus",
                [edge.url.removeprefix("http://")],
                [cloud.url.removeprefix("http://")],
                interval_seconds=1,
                alertmanagers=[alertmanager.address],
                hastened=HASTENED,
            ) as prometheus,
        ):
            watched = Watched(cloud, edge, prometheus, alertmanager, sink)
            await watched.settled()
            yield watched


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def watched(tiny_bundle_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Watched]:
    """The services, one after the other for all tests that look at them."""
    PROMETHEUS_PACKAGE.require()
    ALERTMANAGER_PACKAGE.require()
    async with watched_services(tmp_path_factory.mktemp("paged"), tiny_bundle_directory) as watched:
        yield watched


@pytest.mark.asyncio(loop_scope="module")
async def test_a_dark_camera_is_one_page_and_one_when_it_is_back(watched: Watched) -> None:
    watched.sink.pages.clear()
    async with watched.posting(KITCHEN):
        async with watched.posting(HALL):
            assert not watched.sink.pages, watched.sink.told()
        await watched.page(1)
        await watched.alertmanager.considered(2)
        (page,) = watched.sink.pages
        assert (page.receiver, page.status) == ("critical", "firing")
        (alert,) = page.alerts
        assert alert.labels == {"alertname": "TaxonCameraDark", "severity": "critical", "camera": HALL}
        assert alert.annotations["summary"] == "Camera hall is dark"
        assert alert.annotations["runbook_url"] == "docs/runbook.md#taxoncameradark"
        async with watched.posting(HALL):
            await watched.page(2)
    assert len(watched.sink.pages) == 2, watched.sink.told()
    back = watched.sink.pages[1]
    assert (back.receiver, back.status) == ("critical", "resolved")
    assert [dict(one.labels) for one in back.alerts] == [dict(alert.labels)]


@pytest.mark.asyncio(loop_scope="module")
async def test_a_dead_cloud_is_one_page_and_hides_no_dark_camera(watched: Watched) -> None:
    """What follows from it fires and is silenced; two cameras that go dark meanwhile are paged all the same, both at once."""
    async with watched.posting(HALL, KITCHEN):
        watched.sink.pages.clear()
        await watched.cloud.kill()
        await watched.page(1)

        async def is_silenced() -> bool:
            return await watched.alertmanager.silenced() == {"TaxonTargetDown", "TaxonUplinkDown"}

        await eventually(is_silenced, "the alerts that follow from it", PAGE_SECONDS)
        await watched.alertmanager.considered(2)
        assert [page.name for page in watched.sink.pages] == ["TaxonNoCloud"], watched.sink.told()
    await watched.page(2)
    await watched.alertmanager.considered(1)
    assert [page.name for page in watched.sink.pages] == ["TaxonNoCloud", "TaxonCameraDark"], watched.sink.told()
    assert sorted(alert.labels["camera"] for alert in watched.sink.pages[1].alerts) == [HALL, KITCHEN]


def amtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["amtool", *map(str, arguments)], capture_output=True, text=True, timeout=60, check=False)


@ALERTMANAGER_PACKAGE.needed
def test_alertmanager_takes_the_file() -> None:
    checked = amtool("check-config", CONFIG)
    assert checked.returncode == 0, checked.stdout + checked.stderr


@ALERTMANAGER_PACKAGE.needed
@pytest.mark.parametrize(
    ("labels", "receiver"),
    [
        (["severity=critical", "alertname=TaxonCameraDark"], "critical"),
        (["severity=warning", "alertname=TaxonSpoolFilling"], "warning"),
        (["alertname=SomebodysOwn"], "critical"),
    ],
)
def test_who_is_told_follows_from_the_severity(labels: Sequence[str], receiver: str) -> None:
    routed = amtool("config", "routes", "test", f"--config.file={CONFIG}", f"--verify.receivers={receiver}", *labels)
    assert routed.returncode == 0, routed.stdout + routed.stderr


@ALERTMANAGER_PACKAGE.needed
def test_the_examples_in_the_file_are_valid(tmp_path: Path) -> None:
    """An operator who takes the comment signs off has a file that Alertmanager takes."""
    head, receivers = CONFIG.read_text().split("\nreceivers:\n")
    filled = tmp_path / "alertmanager.yml"
    filled.write_text(f"{head}\nreceivers:\n" + re.sub(r"^    # ", "    ", receivers, flags=re.MULTILINE))
    told = {name for receiver in yaml.safe_load(filled.read_text())["receivers"] for name in receiver}
    assert told == {"name", "webhook_configs", "email_configs"}
    checked = amtool("check-config", filled)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_file_has_no_destination_and_names_only_alerts_that_there_are() -> None:
    tree = yaml.safe_load(CONFIG.read_text())
    assert [set(receiver) for receiver in tree["receivers"]] == [{"name"}, {"name"}]
    named = {name for rule in tree["inhibit_rules"] for name in re.findall(r"Taxon\w+", str(rule))}
    assert named <= set(ALERTS)


SILENCES: dict[str, set[str]] = {
    "TaxonNoCloud": {
        "TaxonTargetDown job=taxon-cloud",
        "TaxonUplinkDown",
        "TaxonBundleNotServed",
        "TaxonSpoolOld",
    },
    "TaxonUplinkRefused": {"TaxonUplinkDown", "TaxonSpoolOld", "TaxonBundleNotServed"},
    "TaxonUplinkRefused reason=PROTOCOL_MISMATCH": {"TaxonUplinkDown", "TaxonSpoolOld"},
    "TaxonUplinkDown": {"TaxonSpoolOld"},
    "TaxonSpoolDropped": {"TaxonSpoolFilling"},
}
"""Which alert silences which others of the same instance (TaxonNoCloud: of all). Whatever is not here silences nothing."""


def alert_kinds() -> dict[str, dict[str, str]]:
    """Every alert with the labels that promtool has checked it to have, and a second time where another label's value matters."""
    found: dict[str, dict[str, str]] = {}
    tests: list[dict[str, Any]] = yaml.safe_load((PROMETHEUS / "tests" / "alerts.yml").read_text())["tests"]
    for asked in itertools.chain.from_iterable(one["alert_rule_test"] for one in tests):
        for alert in asked.get("exp_alerts", ()):
            found[asked["alertname"]] = {"alertname": asked["alertname"]} | alert["exp_labels"]
    others = (
        ("TaxonTargetDown", "job", "taxon-cloud"),
        ("TaxonUplinkRefused", "reason", "PROTOCOL_MISMATCH"),
        ("TaxonSpoolDropped", "bound", "age"),
    )
    return found | {f"{name} {label}={value}": found[name] | {label: value} for name, label, value in others}


KINDS = alert_kinds()
NO_CLOUD = "TaxonNoCloud"


def at(instance: str, kind: str) -> Labels:
    """The alert, of this instance and of a camera of it alone, where it has such labels."""
    own = {"instance": instance, "camera": f"camera-of-{instance}"}
    labels = KINDS[kind]
    return labels | {name: value for name, value in own.items() if name in labels}


async def silenced_after(alertmanager: AlertmanagerServer, alerts: Sequence[Labels]) -> list[Labels]:
    """Tells these, and says which are silenced. The last of them must be: they are taken in turn, so when it is all are considered."""
    await alertmanager.tell(alerts)

    async def is_considered() -> bool:
        return any(held.labels == alerts[-1] and held.is_silenced for held in await alertmanager.held())

    await eventually(is_considered, f"the inhibition of {alerts[-1]}", 30)
    return [held.labels for held in await alertmanager.held() if held.is_silenced]


def told(labels: Sequence[Labels]) -> list[list[tuple[str, str]]]:
    return sorted(sorted(one.items()) for one in labels)


def test_every_alert_is_in_the_table() -> None:
    assert {kind.split()[0] for kind in KINDS} == set(ALERTS)
    assert {kind for cause, others in SILENCES.items() for kind in (cause, *others)} <= set(KINDS)


@ALERTMANAGER_PACKAGE.needed
@pytest.mark.asyncio
async def test_an_alert_silences_what_follows_from_it_and_nothing_else(tmp_path: Path) -> None:
    """Every two alerts of ours together, each two at an instance of their own."""
    pairs = list(itertools.combinations([kind for kind in KINDS if kind != NO_CLOUD], 2))
    last = ("TaxonUplinkRefused", "TaxonUplinkDown")
    alerts: list[Labels] = []
    expected: list[Labels] = []
    for number, pair in enumerate([*pairs, last]):
        one, other = (at(f"pair-{number}", kind) for kind in pair)
        alerts += [one, other]
        expected += [other] * (pair[1] in SILENCES.get(pair[0], ())) + [one] * (pair[0] in SILENCES.get(pair[1], ()))
    async with AlertmanagerServer(tmp_path / "alertmanager") as alertmanager:
        assert told(await silenced_after(alertmanager, alerts)) == told(expected)


@ALERTMANAGER_PACKAGE.needed
@pytest.mark.asyncio
async def test_an_alert_silences_nothing_of_another_instance_but_where_there_is_no_cloud(tmp_path: Path) -> None:
    alone = {kind: at(f"alone-{number}", kind) for number, kind in enumerate(KINDS) if kind != NO_CLOUD}
    last = [at("last", "TaxonUplinkRefused"), at("last", "TaxonUplinkDown")]
    async with AlertmanagerServer(tmp_path / "alertmanager") as alertmanager:
        assert told(await silenced_after(alertmanager, [*alone.values(), *last])) == told(last[1:])
    async with AlertmanagerServer(tmp_path / "without-cloud") as alertmanager:
        silenced = await silenced_after(alertmanager, [KINDS[NO_CLOUD], *alone.values(), *last])
        assert told(silenced) == told([*(alone[kind] for kind in SILENCES[NO_CLOUD]), *last[1:]])
