"""Replicas of the cloud on a real nats-server: what one takes the other gives, wishes cross, and what is killed loses and doubles nothing.

The last is a short run of `tests.trials.scale`; `make e2e-scale` runs a long one.
"""

from __future__ import annotations

import asyncio
import os
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from shared.model.bundle import Bundle
from taxon.client import CameraClient, CloudClient, Outcome, Subscriber, Wish
from tests.support.clients import SmallEdge, SmallSubscriber, coded_packets, sequences
from tests.support.nats import NatsServer, needs_nats, running_nats
from tests.support.pictures import picture
from tests.support.services import ServiceProcess, running
from tests.trials.scale import Scale

pytestmark = [needs_nats, pytest.mark.starts_process]
PATIENCE_SECONDS = 30.0


def cloud_on(nats: NatsServer, folder: Path, bundle: Path) -> ServiceProcess:
    options = ("--bundles", str(bundle.parent.parent), "--threads", "1", "--bus", nats.url)
    return ServiceProcess("cloud", folder, (*options, "--ack-interval-seconds", "0.1"))


@asynccontextmanager
async def replicas(folder: Path, bundle: Path) -> AsyncIterator[tuple[NatsServer, ServiceProcess, ServiceProcess]]:
    """NATS, and two clouds on it."""
    async with running_nats(folder / "nats") as nats:
        first, second = cloud_on(nats, folder / "a", bundle), cloud_on(nats, folder / "b", bundle)
        async with running(first, second):
            yield nats, first, second


async def until(true: Callable[[], Awaitable[bool]], what: str) -> None:
    """Waits until it is so."""
    try:
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not await true():
                await asyncio.sleep(0.05)
    except TimeoutError as error:
        raise AssertionError(f"not in {PATIENCE_SECONDS:g} s: {what}") from error


@pytest.mark.asyncio
async def test_what_one_replica_takes_the_other_gives_in_order_and_its_cursors_hold_on_both(
    tmp_path: Path, tiny_bundle_directory: Path, tiny_bundle: Bundle
) -> None:
    door, hall = coded_packets(tiny_bundle, "door", 12), coded_packets(tiny_bundle, "hall.upper", 6)
    async with replicas(tmp_path, tiny_bundle_directory) as (_, first, second):
        async with SmallSubscriber(second.rpc, tasks=("class_scene",)) as elsewhere:
            async with SmallEdge(first.rpc, tiny_bundle.digest, "edge") as edge:
                await edge.deliver([*door[:8], *hall])
                results = await elsewhere.results(14)
                assert sequences([one for one in results if one.camera_id == "door"]) == list(range(1, 9))
                assert sequences([one for one in results if one.camera_id == "hall.upper"]) == list(range(1, 7))
                assert all(one.results[0].task == "class_scene" for one in results)
                async with CloudClient(second.rpc) as cloud:
                    listed = {one.camera_id: (one.edge_id, one.last_sequence) for one in await cloud.list_cameras()}
                assert listed == {"door": ("edge", 8), "hall.upper": ("edge", 6)}

                async def connected() -> bool:
                    async with CloudClient(second.rpc) as asked:
                        return all(one.connected for one in await asked.list_cameras())

                await until(connected, "the edge is connected, though elsewhere")
            # The same edge, at the other replica, sends again what it thinks is not acknowledged.
            async with SmallEdge(second.rpc, tiny_bundle.digest, "edge") as edge:
                await edge.deliver(door[5:])
            assert sequences(await elsewhere.results(4)) == [9, 10, 11, 12]
        assert await second.metric("taxon_cloud_frames_duplicate_total", camera="door") == 3
        wish: dict[str, Any] = {"camera_ids": ("door",), "tasks": ("normal",)}
        async with SmallSubscriber(first.rpc, cursor=results[0].cursor, **wish) as resumed:
            assert sequences(await resumed.results(len(door) - 1)) == list(range(2, 13))
            assert resumed.lost == 0


@pytest.mark.asyncio
async def test_what_is_wanted_of_one_replica_an_edge_of_the_other_codes_until_that_replica_dies(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    async with replicas(tmp_path, tiny_bundle_directory) as (_, first, second):
        options = ("--cloud", first.rpc, "--bundle", str(tiny_bundle_directory), "--threads", "1")
        edge = ServiceProcess("edge", tmp_path / "edge", (*options, "--queue-policy", "all"))
        async with running(edge), CameraClient(edge.rpc, "hall") as camera:

            async def coded(*groups: str) -> bool:
                receipt = await camera.post(picture(0))
                return (receipt.outcome is Outcome.CODED, receipt.groups) == (bool(groups), groups)

            assert await coded(), "nobody subscribes anywhere: no bits"
            # A camera is known at the other replica as soon as its edge has announced it: nothing was coded of it yet.
            async with Subscriber(second.rpc, Wish(cameras=("hall",), tasks=("normal",), hold_seconds=0)) as results:
                await until(lambda: coded("geometry"), "a wish at the other replica is coded")
                async with asyncio.timeout(PATIENCE_SECONDS):
                    assert (await anext(results)).camera_id == "hall"
                await results.change(tasks=("class_scene",))
                await until(lambda: coded("semantic"), "its change too")
                await second.kill()
                await until(coded, "the wish dies with its replica")
            held = Subscriber(f"{second.rpc},{first.rpc}", Wish(tasks=("normal",), hold_seconds=60))
            await second.start()
            async with held:
                await until(lambda: coded("geometry"), "the replica is back, and so are wishes")
                await second.kill()
                for _ in range(60):
                    assert await coded("geometry"), "a wish that is held outlives its replica"
                    await asyncio.sleep(0.1)
            await until(coded, "who unsubscribes at another replica ends it there")


@pytest.mark.asyncio
async def test_a_replica_and_then_nats_are_killed_under_load_and_nothing_is_lost_or_doubled(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    seed = int(os.environ.get("TAXON_SCALE_SEED", random.randrange(1 << 30)))
    scale = Scale(tmp_path, tiny_bundle_directory, seed)

    async def faults() -> AsyncIterator[None]:
        await scale.cloud_killed(0)
        yield
        await scale.nats_killed(1.0)
        yield

    print(await scale.run(faults))


@pytest.mark.asyncio
async def test_a_replica_that_does_not_reach_nats_is_not_ready_and_sends_its_subscribers_away(
    tmp_path: Path, tiny_bundle_directory: Path, tiny_bundle: Bundle
) -> None:
    async with running_nats(tmp_path / "nats") as nats:
        cloud = cloud_on(nats, tmp_path / "a", tiny_bundle_directory)
        async with running(cloud), Subscriber(cloud.rpc, Wish(tasks=("normal",))) as results:
            await results.subscribed()
            await nats.kill()

            async def sent_away() -> bool:
                return not results.is_subscribed

            await until(sent_away, "the subscriber may look for another replica")
            assert await cloud.metric("taxon_cloud_bus_connected") == 0
            await nats.start()
            async with asyncio.timeout(PATIENCE_SECONDS):
                await results.subscribed()
            async with SmallEdge(cloud.rpc, tiny_bundle.digest) as edge:
                await edge.deliver(coded_packets(tiny_bundle, "door", 2))
            async with asyncio.timeout(PATIENCE_SECONDS):
                assert [(await anext(results)).sequence for _ in range(2)] == [1, 2]


@pytest.mark.asyncio
async def test_a_bus_that_is_not_there_is_said_in_a_line(tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "taxon", "cloud", "--bus", "nats://127.0.0.1:1x", "--data", str(tmp_path)]
    process = await asyncio.create_subprocess_exec(*argv, stderr=asyncio.subprocess.PIPE)
    _, told = await asyncio.wait_for(process.communicate(), PATIENCE_SECONDS)
    assert process.returncode == 1
    assert b"the bus cannot be used" in told
    assert b"Traceback" not in told, told.decode()
