"""Subscribers whose connection breaks: the real cloud holds every one of their wishes, and none of those that are ended."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.support.clients import SmallSubscriber
from tests.support.network import Link
from tests.support.services import ServiceProcess, running

pytestmark = pytest.mark.starts_process

SUBSCRIBERS = 150
HOLD_SECONDS = 60
ROUNDS = 3


def subscriber(link: Link, name: str) -> SmallSubscriber:
    return SmallSubscriber(link.address, name, HOLD_SECONDS, tasks=("class_scene",))


async def held(cloud: ServiceProcess) -> int:
    """How many are held once nobody is connected any more."""
    async with asyncio.timeout(20):
        while await cloud.metric("taxon_cloud_subscribers"):
            await asyncio.sleep(0.1)
    return int(await cloud.metric("taxon_cloud_wishes_held"))


@pytest.mark.asyncio
async def test_every_wish_whose_connection_breaks_is_held(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    options = ("--bundles", str(tiny_bundle_directory.parent.parent), "--threads", "1")
    cloud = ServiceProcess("cloud", tmp_path, options)
    async with running(cloud), Link(cloud.rpc_port) as link:
        for count in range(1, ROUNDS + 1):
            # A connection that breaks looks, for a moment, like one that is ended: the more of them, the surer it shows.
            broken = [subscriber(link, f"broken-{count}-{number}") for number in range(SUBSCRIBERS)]
            ended = [subscriber(link, f"ended-{number}") for number in range(10)]
            for one in (*broken, *ended):
                await one.__aenter__()
            await asyncio.gather(*(one.half_close() for one in ended))
            link.cut()
            assert await held(cloud) == count * SUBSCRIBERS
            await asyncio.gather(*(one.__aexit__(None, None, None) for one in (*broken, *ended)))
            link.mend()
