"""The stack of deploy/compose.tls.yml as an operator starts it: deploy/prepare_tls.sh, and both Compose files.

Every container is healthy over TLS, Prometheus scrapes with its token, and a frame from outside needs one token, its result another.
"""

from __future__ import annotations

import asyncio
import os
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from pathlib import Path

import httpx
import pytest
from docker import DockerClient

from taxon.client import CameraClient, Credentials, Refused, Result, Subscriber, Timeouts, Unreachable, Wish
from tests.support.containers import ARRIVAL_SECONDS, ROOT, ComposeStack, post_until_wanted, running_stack, until
from tests.support.services import taxon

pytestmark = pytest.mark.timeout(2400)
FILES = ("docker-compose.yml", "deploy/compose.tls.yml")
LEFT_OUT = {"alertmanager", "grafana", "camera-living-room", "camera-bedroom"}
"""What TLS changes nothing of, and cameras like the one that stays."""
PICTURE = sorted((ROOT / "samples").glob("*/*.jpg"))[0]
PATIENT = Timeouts(give_up=60)
BRIEF = Timeouts(answer=10, give_up=10)
WISH = Wish(tasks=("class_object",))
READ_AGAIN_SECONDS = 2.5
GROUP_OF_AN_OPERATOR = 12345


def prepared(folder: Path) -> None:
    subprocess.run([ROOT / "deploy" / "prepare_tls.sh", folder], check=True, capture_output=True, timeout=120)


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tls") / "secrets"
    prepared(folder)
    if os.geteuid() == 0:
        # As where an operator without root has made them: readable by a group that no image knows.
        for path in (folder, *folder.rglob("*")):
            os.chown(path, -1, GROUP_OF_AN_OPERATOR)
    return folder


@pytest.fixture(scope="module")
def tls_stack(
    engine: DockerClient, compose: Sequence[str], services: list[str], secrets: Path, figures: dict[str, str]
) -> Iterator[ComposeStack]:
    started = [name for name in services if name not in LEFT_OUT]
    stack = ComposeStack(
        engine,
        compose,
        started,
        project="taxon-e2e-tls",
        files=FILES,
        environment={"TAXON_SECRETS": str(secrets), "TAXON_GROUP": str((secrets / "edge").stat().st_gid)},
    )
    began = time.monotonic()
    with running_stack(stack) as running:
        figures[f"stack with TLS of {len(started)} containers healthy after"] = f"{time.monotonic() - began:.1f} s"
        yield running


def client(secrets: Path, name: str, scopes: str, service: str) -> Credentials:
    """A client from outside with a new token of the edge or the cloud; returns when the service knows it."""
    token = secrets.parent / f"{name}.token"
    made = taxon("token", name, scopes, "-o", token, "--add-to", secrets / service / "tokens")
    assert made.status == 0, made.errors
    time.sleep(READ_AGAIN_SECONDS)
    own = secrets / "authority"
    return Credentials(own / "ca.crt", own / "client.crt", own / "client.key", token)


@pytest.mark.asyncio
async def test_a_frame_needs_one_token_and_its_result_another(
    tls_stack: ComposeStack, secrets: Path, figures: dict[str, str]
) -> None:
    edge, cloud = tls_stack.address("EDGE_RPC"), tls_stack.address("CLOUD_RPC")
    hall = client(secrets, "hall", "post:hall", "edge")
    viewer = client(secrets, "viewer", "subscribe", "cloud")
    nobody = Credentials(hall.ca, hall.certificate, hall.key)
    async with (
        Subscriber(cloud, WISH, timeouts=PATIENT, credentials=viewer) as results,
        CameraClient(edge, "hall", PATIENT, hall) as camera,
    ):
        await results.subscribed()
        sequence = await post_until_wanted(camera, PICTURE)
        found = [result async for result in _until(results, "hall", sequence)]
    assert found[-1].sequence == sequence
    figures["over TLS, a frame and its result"] = f"{found[-1].coded_bytes} coded bytes"
    # Without a token, with the other one's, and in plain text.
    for shown, code in ((nobody, "UNAUTHENTICATED"), (viewer, "UNAUTHENTICATED")):
        async with CameraClient(edge, "hall", BRIEF, shown) as refused:
            with pytest.raises(Refused) as told:
                await refused.post(PICTURE.read_bytes())
        assert told.value.code == code
    for shown in (nobody, hall):
        async with Subscriber(cloud, WISH, timeouts=BRIEF, credentials=shown) as none:
            with pytest.raises(Refused) as told:
                await none.subscribed()
        assert told.value.code == "UNAUTHENTICATED"
    async with CameraClient(edge, "hall", BRIEF) as plain:
        with pytest.raises(Unreachable):
            await plain.post(PICTURE.read_bytes())
    # A subscriber with a token and no certificate is not even answered.
    async with Subscriber(cloud, WISH, timeouts=BRIEF, credentials=Credentials(viewer.ca, token=viewer.token)) as bare:
        with pytest.raises(Unreachable):
            await bare.subscribed()


async def _until(results: Subscriber, camera_id: str, sequence: int) -> AsyncIterator[Result]:
    """A camera's results, the one with this sequence last; the stack's own camera sends others meanwhile."""
    async with asyncio.timeout(ARRIVAL_SECONDS):
        async for result in results:
            if result.camera_id == camera_id:
                yield result
                if result.sequence >= sequence:
                    return


def test_the_stack_s_own_camera_and_subscriber_work(tls_stack: ComposeStack) -> None:
    def watched() -> bool:
        return b"kitchen" in tls_stack.container("watch").logs(tail=200)

    until(watched, 60)
    for service in ("edge", "cloud"):
        log = tls_stack.container(service).logs().decode()
        assert "other machines are let in" not in log, f"{service} has TLS and tokens"
        assert "a secret is open to others" not in log


def test_http_asks_for_a_token_over_tls(tls_stack: ComposeStack, secrets: Path) -> None:
    ca = str(secrets / "authority" / "ca.crt")
    token = (secrets / "prometheus" / "prometheus.token").read_text().strip()
    for port in ("EDGE_HTTP", "CLOUD_HTTP"):
        url = f"https://{tls_stack.address(port)}"
        with httpx.Client(verify=_trusting(ca), timeout=10) as browser:
            assert browser.get(f"{url}/readyz").status_code == 200
            assert browser.get(f"{url}/metrics").status_code == 401
            told = browser.get(f"{url}/metrics", headers={"Authorization": f"Bearer {token}"})
        assert told.status_code == 200
        assert 'certificate_not_after_timestamp_seconds{certificate="server"}' in told.text
        with pytest.raises(httpx.TransportError):
            httpx.get(f"http://{tls_stack.address(port)}/healthz", timeout=10)


def test_prometheus_scrapes_with_its_token(tls_stack: ComposeStack) -> None:
    address = f"http://{tls_stack.address('PROMETHEUS')}/api/v1"

    def up() -> dict[str, str]:
        query = {"query": 'up{job=~"taxon-.*"}'}
        rows = httpx.get(f"{address}/query", params=query, timeout=10).raise_for_status().json()["data"]["result"]
        return {row["metric"]["job"]: row["value"][1] for row in rows}

    until(lambda: up() == {"taxon-edge": "1", "taxon-cloud": "1"}, 60)
    targets = httpx.get(f"{address}/targets", timeout=10).raise_for_status().json()["data"]["activeTargets"]
    assert {target["scrapeUrl"].partition(":")[0] for target in targets} == {"https"}


def test_certificates_are_renewed_without_a_restart(tls_stack: ComposeStack, secrets: Path) -> None:
    token = (secrets / "prometheus" / "prometheus.token").read_text().strip()
    tokens = (secrets / "edge" / "tokens").read_text()
    context = _trusting(str(secrets / "authority" / "ca.crt"))

    def read_again(port: str) -> bool:
        with httpx.Client(verify=context, timeout=10) as browser:
            text = browser.get(
                f"https://{tls_stack.address(port)}/metrics", headers={"Authorization": f"Bearer {token}"}
            ).text
        return 'security_files_read_total{outcome="taken",what="certificates"} 1.0' in text

    prepared(secrets)
    for port in ("EDGE_HTTP", "CLOUD_HTTP"):
        until(lambda name=port: read_again(name), 30)  # type: ignore[misc]
    assert (secrets / "edge" / "tokens").read_text() == tokens, "tokens stay"
    assert {tls_stack.container(name).attrs["RestartCount"] for name in ("edge", "cloud")} == {0}


def _trusting(ca: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca)
