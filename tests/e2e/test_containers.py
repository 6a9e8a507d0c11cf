"""The containers as an operator runs them: images built from this tree, the Compose file's stack on a real engine, and a camera and a
subscriber outside of it that must not notice when a container dies.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import Any

import httpx
import pytest
from docker import DockerClient

from taxon.client import CameraClient, TensorResult
from tests.support.containers import (
    ARRIVAL_SECONDS,
    ROOT,
    TAG,
    ComposeStack,
    collecting,
    post,
    post_until_wanted,
    until,
)

LARGEST_IMAGE_BYTES = 600_000_000
# The first test of a run builds the images.
pytestmark = pytest.mark.timeout(2400)
PICTURES = sorted((ROOT / "samples").glob("*/*.jpg"))
DEMO_CAMERAS = {"kitchen", "living_room", "bedroom"}
POST_EVERY_SECONDS = 0.25
FRAMES = 60
KILLED_AT = (15, 40)
OUTAGE_FRAMES = 15


def target_health(stack: ComposeStack) -> dict[str, set[str]]:
    """Job -> the states of its targets, as Prometheus says."""
    answer = httpx.get(f"http://{stack.address('PROMETHEUS')}/api/v1/targets", timeout=10).raise_for_status().json()
    found: dict[str, set[str]] = {}
    for target in answer["data"]["activeTargets"]:
        found.setdefault(target["labels"]["job"], set()).add(target["health"])
    return found


def inside(stack: ComposeStack, service: str, script: str) -> tuple[int, str]:
    """A shell's exit status and output, in the service's container and as its user."""
    done = stack.container(service).exec_run(["sh", "-c", script])
    return done.exit_code, done.output.decode(errors="replace")


@pytest.mark.parametrize("service", ["edge", "cloud"])
def test_an_image_has_at_most_600_mb(images: dict[str, int], service: str) -> None:
    assert images[service] <= LARGEST_IMAGE_BYTES


@pytest.mark.parametrize("service", ["edge", "cloud"])
def test_no_layer_tells_what_pip_was_told(engine: DockerClient, images: dict[str, int], service: str) -> None:
    """Index, certificate and credentials of the building machine are not in the image, nor are pip and the build's tools."""
    script = (
        "ls /run/secrets /root/.cache/pip /opt/taxon/bin/pip /opt/taxon/lib/python3*/site-packages/grpc_tools; true"
    )
    told = engine.containers.run(
        f"taxon-{service}:{TAG}", ["-c", script], entrypoint="sh", user="0", remove=True, stdout=True, stderr=False
    )
    assert told.decode().split() in ([], ["/run/secrets:"]), told.decode()
    history = engine.images.get(f"taxon-{service}:{TAG}").history()
    assert not [layer for layer in history if "index-url" in layer["CreatedBy"] or "PIP_INDEX" in layer["CreatedBy"]]


@pytest.mark.parametrize("service", ["edge", "cloud", "camera-kitchen", "watch"])
def test_a_service_has_no_rights_to_spare(stack: ComposeStack, service: str) -> None:
    status, identity = inside(
        stack, service, "id -u; grep -E '^(CapEff|CapBnd|NoNewPrivs)' /proc/1/status | tr -s '\\t' ' '"
    )
    assert status == 0, identity
    assert identity.split("\n")[:1] == ["10001"], "the process must not be root"
    assert {"CapEff: 0000000000000000", "CapBnd: 0000000000000000", "NoNewPrivs: 1"} <= set(identity.splitlines())
    for place in ("/", "/opt/taxon", "/opt/taxon-models", "/etc"):
        status, told = inside(stack, service, f"touch {place}/written")
        assert status != 0, f"{place} can be written"
        assert "Read-only file system" in told or "Permission denied" in told
    host: dict[str, Any] = stack.container(service).attrs["HostConfig"]
    assert host["ReadonlyRootfs"] is True
    assert host["Memory"] > 0, "a leak must end this container and not the machine"


@pytest.mark.parametrize("service", ["edge", "cloud"])
def test_a_service_keeps_its_data_in_a_volume(stack: ComposeStack, service: str) -> None:
    status, told = inside(stack, service, "touch /data/kept && ls /data")
    assert status == 0, told
    mounts = {mount["Destination"]: mount["Type"] for mount in stack.container(service).attrs["Mounts"]}
    assert mounts["/data"] == "volume"
    assert [name for name in told.split() if name.endswith((".db", ".sqlite", ".sqlite3"))], told


@pytest.mark.asyncio
async def test_frames_flow_from_the_cameras_to_a_subscriber_outside(
    stack: ComposeStack, figures: dict[str, str]
) -> None:
    async with collecting(stack.address("CLOUD_RPC"), "class_scene", "normal") as collector:
        async with asyncio.timeout(ARRIVAL_SECONDS):
            while {result.camera_id for result in collector.results if len(result.tasks) == 2} < DEMO_CAMERAS:
                await asyncio.sleep(0.1)
        results = [result for result in collector.results if len(result.tasks) == 2]
    normals = results[0].task("normal")
    assert isinstance(normals, TensorResult)
    assert normals.values.shape == (3, 256, 256)
    coded = sum(result.coded_bytes for result in results) / len(results)
    figures["coded bytes a frame, both groups"] = f"{coded:.0f}"
    assert coded < 400


def test_the_wall_is_served(stack: ComposeStack) -> None:
    page = httpx.get(f"http://{stack.address('CLOUD_HTTP')}/", timeout=10)
    assert page.status_code == 200
    assert "text/html" in page.headers["content-type"]


def test_prometheus_has_its_targets_up(stack: ComposeStack) -> None:
    until(lambda: target_health(stack) == {"taxon-edge": {"up"}, "taxon-cloud": {"up"}}, 60)
    query = {"query": 'sum by (job) (up{job=~"taxon-.*"})'}
    url = f"http://{stack.address('PROMETHEUS')}/api/v1/query"
    rows = httpx.get(url, params=query, timeout=10).raise_for_status().json()["data"]["result"]
    assert {row["metric"]["job"]: row["value"][1] for row in rows} == {"taxon-edge": "1", "taxon-cloud": "1"}


def test_prometheus_has_its_alertmanager(stack: ComposeStack) -> None:
    url = f"http://{stack.address('PROMETHEUS')}/api/v1/alertmanagers"

    def told() -> list[str]:
        found = httpx.get(url, timeout=10).raise_for_status().json()["data"]["activeAlertmanagers"]
        return [one["url"] for one in found]

    until(lambda: told() == ["http://alertmanager:9093/api/v2/alerts"], 60)
    status = httpx.get(f"http://{stack.address('ALERTMANAGER')}/api/v2/status", timeout=10).raise_for_status().json()
    assert "TaxonNoCloud" in status["config"]["original"], "it runs with the file of this tree"


def test_grafana_has_its_data_source(stack: ComposeStack, services: list[str]) -> None:
    if "grafana" not in services:
        pytest.skip("the image of Grafana is not in this engine: no registry here, and Debian has no package")
    url = f"http://{stack.address('GRAFANA')}"
    assert httpx.get(f"{url}/api/health", timeout=10).raise_for_status().json()["database"] == "ok"
    sources = httpx.get(f"{url}/api/datasources", auth=("admin", "admin"), timeout=10).raise_for_status().json()
    assert [source["type"] for source in sources] == ["prometheus"]


@pytest.mark.asyncio
async def test_a_killed_cloud_comes_back_and_nothing_is_lost(stack: ComposeStack, figures: dict[str, str]) -> None:
    """SIGKILL twice while a camera posts: the restart policy brings it back, and every accepted frame's result comes once."""
    accepted: list[int] = []
    before = stack.container("cloud").attrs["RestartCount"]
    async with (
        collecting(stack.address("CLOUD_RPC"), "class_scene") as collector,
        CameraClient(stack.address("EDGE_RPC"), "killed") as camera,
    ):
        accepted.append(await post_until_wanted(camera, PICTURES[0]))
        for index in range(1, FRAMES):
            if index in KILLED_AT:
                await asyncio.to_thread(stack.kill_process, "cloud")
            accepted.append(await post(camera, PICTURES[index % len(PICTURES)]))
            await asyncio.sleep(POST_EVERY_SECONDS)
        ended = time.monotonic()
        await collector.until_arrived("killed", accepted)
        waited = time.monotonic() - ended
        connections, lost = collector.subscriber.connections, collector.subscriber.lost
    assert stack.container("cloud").attrs["RestartCount"] - before == len(KILLED_AT), "the engine starts it again"
    assert connections > 1, "the subscriber must have noticed"
    assert lost == 0
    assert collector.sequences("killed") == accepted, "every accepted frame's result comes once and in order"
    for camera_id in DEMO_CAMERAS:
        found = collector.sequences(camera_id)
        assert found == sorted(set(found)), (
            f"{camera_id}: {[one for one, n in Counter(found).items() if n > 1]} came twice"
        )
    figures[f"cloud killed {len(KILLED_AT)} times, {FRAMES} frames posted"] = (
        f"{len(accepted)} results, 0 lost, 0 twice, the last {waited:.1f} s after its post"
    )
    stack.until_healthy()


@pytest.mark.asyncio
async def test_a_new_edge_container_sends_what_the_old_one_had_spooled(
    stack: ComposeStack, figures: dict[str, str]
) -> None:
    """The cloud is stopped, frames are posted, the edge's container is replaced, as in an upgrade: the volume has the spool."""
    async with collecting(stack.address("CLOUD_RPC"), "class_scene") as collector:
        async with CameraClient(stack.address("EDGE_RPC"), "spooled") as camera:
            accepted = [await post_until_wanted(camera, PICTURES[0])]
            await asyncio.to_thread(stack.container("cloud").stop, timeout=20)
            accepted += [await post(camera, PICTURES[index]) for index in range(OUTAGE_FRAMES)]
        old = stack.container("edge").id
        await asyncio.to_thread(stack.up, "edge", options=("--force-recreate", "--no-deps"))
        assert stack.container("edge").id != old
        await asyncio.to_thread(stack.container("cloud").start)
        await asyncio.to_thread(stack.until_healthy, "edge", "cloud")
        await collector.until_arrived("spooled", accepted)
    assert collector.sequences("spooled") == accepted, "every accepted frame's result comes once and in order"
    figures["edge replaced with frames in its spool"] = f"{len(accepted)} results, 0 lost, 0 twice"


def test_a_stopped_service_drains_and_ends_in_order(stack: ComposeStack) -> None:
    for service in ("edge", "cloud"):
        container = stack.container(service)
        container.stop(timeout=20)
        container.reload()
        assert container.attrs["State"]["ExitCode"] == 0, container.logs(tail=5).decode()
        container.start()
    stack.until_healthy()
