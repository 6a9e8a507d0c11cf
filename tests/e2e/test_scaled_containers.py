"""The Compose file's profile `scale`: two clouds that share an edge over NATS, each killed in turn, and then NATS itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from docker import DockerClient

from taxon.client import CameraClient
from tests.support.containers import ROOT, ComposeStack, collecting, post, post_until_wanted, running_stack

# The first test of a run builds the images.
pytestmark = pytest.mark.timeout(2400)
PICTURES = sorted((ROOT / "samples").glob("*/*.jpg"))
FRAMES = 80
KILLED_AT = {15: "cloud-1", 40: "cloud-2", 65: "nats"}
POST_EVERY_SECONDS = 0.25


@pytest.fixture(scope="module")
def scaled(
    engine: DockerClient, compose: tuple[str, ...], images: dict[str, int], figures: dict[str, str]
) -> Iterator[ComposeStack]:
    services = ("edge", "nats", "cloud-1", "cloud-2")
    with running_stack(ComposeStack(engine, compose, services, "scale", "taxon-e2e-scale")) as running:
        yield running


@pytest.mark.asyncio
async def test_any_container_may_die_and_every_subscriber_gets_everything(
    scaled: ComposeStack, figures: dict[str, str]
) -> None:
    """A subscriber on each cloud, an edge on either: each gets every accepted frame's result, once and in order."""
    accepted: list[int] = []
    async with (
        collecting(scaled.address("CLOUD_RPC"), "class_scene") as first,
        collecting(scaled.address("CLOUD_2_RPC"), "class_object") as second,
        CameraClient(scaled.address("EDGE_RPC"), "hall") as camera,
    ):
        accepted.append(await post_until_wanted(camera, PICTURES[0]))
        for index in range(1, FRAMES):
            if index in KILLED_AT:
                await asyncio.to_thread(scaled.until_healthy)
                await asyncio.to_thread(scaled.kill_process, KILLED_AT[index])
            accepted.append(await post(camera, PICTURES[index % len(PICTURES)]))
            await asyncio.sleep(POST_EVERY_SECONDS)
        for collector in (first, second):
            await collector.until_arrived("hall", accepted)
            assert collector.subscriber.lost == 0
            assert collector.sequences("hall") == accepted, "every accepted frame's result comes once and in order"
            assert collector.subscriber.connections > 1, "its cloud was killed"
    for service in KILLED_AT.values():
        assert scaled.container(service).attrs["RestartCount"] == 1, f"the engine starts {service} again"
    figures[f"both clouds and NATS killed, {FRAMES} frames posted"] = (
        f"{len(accepted)} results for both subscribers, 0 lost, 0 twice"
    )
