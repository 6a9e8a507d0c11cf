"""Both services in the surroundings that they meet: proxies, hangups, simple devices, and secrets in every setting.

Law: whatever stands in their settings, no secret is in what they write (tests/support/secrets.py holds them to it).
"""

from __future__ import annotations

import asyncio
import base64
import json
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import pytest_asyncio
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.support.secrets import WATCH
from tests.support.security import PICTURE, TokenFolder
from tests.support.services import ServiceProcess, free_port, running

pytestmark = [pytest.mark.starts_process, pytest.mark.asyncio(loop_scope="module")]

PROXIES = ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY")
PROXY_PASSWORD = WATCH.declare("pr0xy-s3cret", "the proxy's password")
CAMERA_PASSWORD = "p@ss/w0rd#1"


@dataclass(frozen=True)
class Surrounded:
    """Both services, and what they were given."""

    edge: ServiceProcess
    cloud: ServiceProcess
    token: str
    settings: Path
    proxy: str

    @property
    def both(self) -> tuple[ServiceProcess, ServiceProcess]:
        return self.edge, self.cloud


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def services(tmp_path_factory: pytest.TempPathFactory, tiny_bundle_directory: Path) -> AsyncIterator[Surrounded]:
    folder = tmp_path_factory.mktemp("surrounded")
    tokens = TokenFolder(folder / "tokens")
    token = tokens.add("device", "post,metrics,subscribe").read_text().strip()
    uplink = tokens.add("edge", "uplink")
    proxy = f"127.0.0.1:{free_port()}"
    environment = dict.fromkeys(PROXIES, f"http://user:{PROXY_PASSWORD}@{proxy}") | {"no_proxy": "", "NO_PROXY": ""}
    settings = folder / "edge.toml"
    settings.write_text('log_level = "info"\n')
    common = ["--tokens", str(tokens.path), "--tokens-in-urls", "--cors-origins", "https://shop.example"]
    cloud = ServiceProcess(
        "cloud", folder / "cloud", [*common, "--bundles", str(tiny_bundle_directory.parents[1])],
        environment=environment, token=token,
    )  # fmt: skip
    options = ["--bundle", str(tiny_bundle_directory), "--cloud", cloud.rpc, "--cloud-token", str(uplink)]
    options += ["--config", str(settings), "--pinned-groups", "semantic"]
    options += ["--source", f"yard=rtsp://admin:{CAMERA_PASSWORD}@127.0.0.1:{free_port()}/live"]
    options += ["--source", f"gate@1=http://127.0.0.1:{free_port()}/snap.jpg?user=admin&pwd={CAMERA_PASSWORD}"]
    edge = ServiceProcess("edge", folder / "edge", [*common, *options], environment=environment, token=token)
    async with running(cloud, edge):
        yield Surrounded(edge, cloud, token, settings, proxy)


async def logged(service: ServiceProcess, event: str, times: int = 1) -> list[dict[str, object]]:
    """Wait for so many lines of this event in the service's log, and return all of them."""
    async with asyncio.timeout(20):
        while True:
            lines = [line for line in service.log.read_text().splitlines() if f'"{event}"' in line]
            if len(lines) >= times:
                return [json.loads(line) for line in lines]
            await asyncio.sleep(0.05)


def ignores_hangups(pid: int) -> bool:
    """Return what the kernel says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    ignored = next(line for line in lines if line.startswith("SigIgn:"))
    return bool(int(ignored.split()[1], 16) & 1 << (signal.SIGHUP - 1))


async def wire(service: ServiceProcess, head: str, body: bytes = b"") -> bytes:
    """Write one request as it is given; return all that comes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", service.http_port)
    writer.write(f"{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
    async with asyncio.timeout(20):
        answer = await reader.read()
    writer.close()
    return answer


async def test_no_proxy_stands_between_services_of_one_machine(services: Surrounded) -> None:
    await logged(services.edge, "connected")
    assert await services.edge.metric("taxon_edge_uplink_connected") == 1


async def test_a_hangup_reloads_both_and_ends_neither(services: Surrounded) -> None:
    services.settings.write_text('log_level = "debug"\nqueue_depth = 7\n')
    for service in services.both:
        assert service.process is not None
        service.process.send_signal(signal.SIGHUP)
        await logged(service, "reloaded")
    (told,) = await logged(services.edge, "settings have changed that a restart takes")
    assert told["settings"] == ["queue_depth"]
    services.settings.write_text("log_level = 5\n")
    assert services.edge.process is not None
    services.edge.process.send_signal(signal.SIGHUP)
    (refused,) = await logged(services.edge, "not reloaded, what was read before holds")
    assert "log_level" in str(refused["reason"])
    for service in services.both:
        async with service.browser(5) as client:
            assert (await client.get(f"{service.url}/readyz")).status_code == 200


async def test_a_hangup_while_a_service_starts_does_not_end_it(
    tmp_path: Path, services: Surrounded, tiny_bundle_directory: Path
) -> None:
    edge = ServiceProcess("edge", tmp_path, ["--bundle", str(tiny_bundle_directory), "--cloud", services.cloud.rpc])

    async def hang_up() -> None:
        # The interpreter's own start is nobody's: from the first line of ours on, a hangup is ignored.
        while edge.process is None or not ignores_hangups(edge.process.pid):
            await asyncio.sleep(0.01)
        for _ in range(20):
            edge.process.send_signal(signal.SIGHUP)
            await asyncio.sleep(0.1)

    hanging_up = asyncio.create_task(hang_up())
    async with running(edge):
        await hanging_up
        await logged(edge, "reloaded")
        assert await edge.stop() == 0


async def test_simple_devices_post_in_each_way(services: Surrounded) -> None:
    edge, token = services.edge, services.token
    basic = base64.b64encode(f"admin:{token}".encode()).decode()
    for target, header in (
        ("/v1/cameras/hall/frames/", f"Authorization: Basic {basic}"),
        (f"/v1/cameras/hall/frames?token={token}", "X-Nothing: x"),
        (f"http://127.0.0.1/v1/cameras/hall/frames/?token={token}", "X-Nothing: x"),
        ("http://edge.example:8080/v1/cameras/hall/frames", f"Authorization: Bearer {token}"),
    ):
        answer = await wire(edge, f"POST {target} HTTP/1.1\r\n{header}", PICTURE)
        assert answer.startswith(b"HTTP/1.1 200"), answer[:300]
        assert b'"outcome":"coded"' in answer


async def test_every_page_of_both_answers_head_and_options(services: Surrounded) -> None:
    edge, cloud = services.both
    for service, own in ((edge, ("/docs", "/openapi.json", "/v1/cameras")), (cloud, ("/", "/wall/main.js"))):
        for page in ("/metrics", "/healthz", "/readyz", *own):
            for target in (page, f"{page.rstrip('/')}/", f"http://any.example{page}"):
                shown = f"Authorization: Bearer {services.token}"
                head = await wire(service, f"HEAD {target} HTTP/1.1\r\n{shown}")
                assert head.startswith(b"HTTP/1.1 200"), (target, head[:200])
                assert head.partition(b"\r\n\r\n")[2] == b"", target
                options = await wire(service, f"OPTIONS {target} HTTP/1.1\r\n{shown}")
                assert options.startswith(b"HTTP/1.1 204"), (target, options[:200])
                assert b"\r\nallow: GET, HEAD, OPTIONS\r\n" in options, target


async def test_the_metrics_of_both_are_openmetrics_and_compressed(services: Surrounded) -> None:
    for service in services.both:
        async with service.browser(10) as client:
            answer = await client.get(f"{service.url}/metrics", headers={"Accept": "application/openmetrics-text"})
        assert answer.headers["content-encoding"] == "gzip"
        names = {family.name for family in text_string_to_metric_families(answer.text)}
        assert {f"taxon_{service.kind}_access_refused", f"taxon_{service.kind}_build_info"} <= names


async def test_what_was_said_at_the_start_has_no_secret(services: Surrounded) -> None:
    for service in services.both:
        assert "tokens are taken from addresses too" in service.log.read_text()
    async with httpx.AsyncClient(timeout=10) as client:
        listed = await client.get(f"{services.edge.url}/v1/cameras", params={"token": services.token})
    assert {"yard", "gate"} <= {camera["camera_id"] for camera in listed.json()["cameras"]}
    broken = await logged(services.edge, "source broken", 2)
    assert {"yard", "gate"} <= {line["camera"] for line in broken}, "the camera can still be found"
    assert "w0rd" not in services.edge.log.read_text() + listed.text
