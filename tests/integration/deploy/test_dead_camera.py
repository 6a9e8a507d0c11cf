"""An RTSP camera dies: the real Prometheus, with our rules, sees it broken and then well again.

GStreamer's RTSP server --> the edge's source --> taxon_edge_source_state --> Prometheus --> TaxonSourceBroken
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.prometheus import PACKAGE as PROMETHEUS_PACKAGE
from tests.support.prometheus import PrometheusServer, eventually
from tests.support.rtsp import PACKAGE as RTSP_PACKAGE
from tests.support.rtsp import RtspCamera
from tests.support.services import ServiceProcess, running

pytestmark = [pytest.mark.starts_process, PROMETHEUS_PACKAGE.needed, RTSP_PACKAGE.needed]

CAMERA, PASSWORD = "gate", "Geheimwort/#1"
HASTENED = {"for: 1m\n": "for: 4s\n"}


@pytest.mark.asyncio
async def test_the_alert_for_a_dead_rtsp_camera_fires_and_ends(tiny_bundle_directory: Path, tmp_path: Path) -> None:
    """It is pending before it fires, names the camera alone, and is over when the camera is back at another size."""
    PROMETHEUS_PACKAGE.require()
    RTSP_PACKAGE.require()
    with RtspCamera(codec="h264", auth="digest", password=PASSWORD) as rtsp:
        options = ("--bundle", str(tiny_bundle_directory), "--threads", "1", "--source", f"{CAMERA}@5={rtsp.url}")
        edge = ServiceProcess("edge", tmp_path / "edge", options)
        (tmp_path / "prometheus").mkdir()
        async with (
            running(edge),
            PrometheusServer(
                tmp_path / "prometheus", [edge.url.removeprefix("http://")], [], interval_seconds=1, hastened=HASTENED
            ) as prometheus,
        ):

            async def is_live() -> bool:
                return await prometheus.value(f'taxon_edge_source_state{{camera="{CAMERA}",state="live"}} == 1') == 1

            async def alert_is(state: str) -> bool:
                found = await prometheus.query(f'ALERTS{{alertname="TaxonSourceBroken",alertstate="{state}"}}')
                assert {sample.labels["camera"] for sample in found} <= {CAMERA}
                return bool(found)

            async def is_pending() -> bool:
                return await alert_is("pending")

            async def is_firing() -> bool:
                return await alert_is("firing")

            async def is_over() -> bool:
                return not await alert_is("firing")

            await eventually(is_live, "a live source in Prometheus", 60)
            assert not await alert_is("firing")
            rtsp.kill()
            await eventually(is_pending, "a pending alert", 30)
            await eventually(is_firing, "the alert", 30)
            failures = await prometheus.value(f'taxon_edge_source_failures_total{{camera="{CAMERA}"}}')
            assert failures >= 1
            async with edge.browser(10) as browser:
                cameras = (await browser.get(f"{edge.url}/v1/cameras")).text
            assert "gone" in cameras
            rtsp.start(size="640x480")
            await eventually(is_live, "the source live again", 60)
            await eventually(is_over, "the alert's end", 30)
        assert PASSWORD.split("/")[0] not in edge.log.read_text() + cameras
