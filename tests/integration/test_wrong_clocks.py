"""An edge whose clock is years behind, as without a battery: what it accepts so is delivered under the right time."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from shared.model.bundle import Bundle
from tests.support.clients import SmallSubscriber, sequences
from tests.support.clock import WrongClock, needs_wrong_clock
from tests.support.pictures import picture
from tests.support.services import ServiceProcess, free_port, running

pytestmark = [pytest.mark.starts_process, pytest.mark.asyncio, needs_wrong_clock]

YEARS_SECONDS = 8 * 365.25 * 86400.0
FRAMES = 4


@pytest.mark.parametrize(("at_first", "then"), [(-YEARS_SECONDS, 0.0), (YEARS_SECONDS, 0.0)], ids=["behind", "ahead"])
async def test_frames_that_were_accepted_at_a_wrong_time_are_delivered_after_it_is_set(
    tmp_path: Path, tiny_bundle_directory: Path, tiny_bundle: Bundle, at_first: float, then: float
) -> None:
    cloud_port, clock = free_port(), WrongClock(tmp_path / "clock")
    edge = ServiceProcess(
        "edge",
        tmp_path / "edge",
        ("--bundle", str(tiny_bundle_directory), "--threads", "1", "--pinned-groups", "semantic", "--spool-age-seconds",
         "86400", "--cloud", f"127.0.0.1:{cloud_port}"),
        environment=clock.environment,
    )  # fmt: skip
    cloud = ServiceProcess(
        "cloud",
        tmp_path / "cloud",
        ("--bundles", str(tiny_bundle_directory.parents[1]), "--threads", "1"),
        rpc_port=cloud_port,
    )
    clock.set(at_first)
    async with running(edge):
        accepted = [await post(edge, number) for number in range(FRAMES)]
        clock.set(then)
        # Housekeeping looks at the ages meanwhile, by whatever clock it has.
        await asyncio.sleep(2.5)
        accepted += [await post(edge, FRAMES)]
        await edge.stop()
        # The subscriber is there before the edge comes back: it asks for what comes from now on.
        async with running(cloud), SmallSubscriber(cloud.rpc, tasks=("class_scene",)) as subscriber:
            await edge.start()
            accepted += [await post(edge, FRAMES + 1)]
            results = await subscriber.results(len(accepted))
        assert await edge.metric("taxon_edge_spool_dropped_frames_total") == 0
    assert accepted == sorted(set(accepted))
    assert sequences(results) == accepted


async def post(edge: ServiceProcess, number: int) -> int:
    """Post a frame, and return its sequence once it is coded."""
    async with edge.browser(10) as client:
        answer = (await client.post(f"{edge.url}/v1/cameras/door/frames", content=picture(number, 64, 48))).json()
    assert answer["outcome"] == "coded", answer
    return int(answer["sequence"])
