"""One live system for all tests here: starting it costs more than any of them."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.support.live_stack import CAMERAS, THRIFTY, MeasuredStack, measured_stack
from tests.support.pictures import picture
from tests.support.prometheus import PACKAGE

FRAMES = 24
SIZES = {"hall": (48, 40), "kitchen": (320, 240), THRIFTY: (64, 64)}


@pytest_asyncio.fixture(scope="session", loop_scope="session")
async def played(tiny_bundle_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[MeasuredStack]:
    """A system through which frames of three cameras went, one of them a damaged picture; all scraped, all rules worked out."""
    PACKAGE.require()
    folder = tmp_path_factory.mktemp("stack")
    async with measured_stack(folder, tiny_bundle_directory, picture(0)) as stack:
        frames = {
            camera: [picture(number, *SIZES[camera]) for number in range(FRAMES)] for camera in (*CAMERAS, THRIFTY)
        }
        frames["hall"].insert(5, picture(0)[:200])
        # The cloud knows a camera from its first frame on; what it counts from there can rise only if it was scraped once before.
        await stack.play({camera: pictures[:1] for camera, pictures in frames.items()})
        await stack.prometheus.scraped()
        await stack.play({camera: pictures[1:] for camera, pictures in frames.items()})
        await stack.prometheus.scraped(2)
        stack.prometheus.asked_at = time.time()
        yield stack
