"""Tests of the cloud run on both buses where their law is shared: its own, and a real NATS."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cloud_analytics.settings import LOCAL_BUS
from tests.support.nats import needs_nats, running_nats


@pytest.fixture
def models(tiny_bundle_directory: Path) -> Path:
    """The folder of bundles that the tiny one stands in."""
    return tiny_bundle_directory.parents[1]


@pytest_asyncio.fixture
async def nats_url(tmp_path: Path) -> AsyncIterator[str]:
    """Start a NATS of the test's own."""
    async with running_nats(tmp_path / "nats") as server:
        yield server.url


@pytest_asyncio.fixture(params=[LOCAL_BUS, pytest.param("nats", marks=[needs_nats, pytest.mark.starts_process])])
async def bus(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[str]:
    """The setting `--bus` of both kinds of cloud."""
    if request.param == LOCAL_BUS:
        yield LOCAL_BUS
        return
    async with running_nats(tmp_path / "nats") as server:
        yield server.url
