"""A whole edge in the test's own loop: real servers on free ports, a tiny bundle, a spool in a temporary folder."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
from PIL import Image

from edge_encoder.service import EdgeService
from edge_encoder.settings import EdgeSettings
from tests.support.fixed_models import scattered_array

NOWHERE = "127.0.0.1:1"
BOTH = ["semantic", "geometry"]


@asynccontextmanager
async def running_edge(
    data: Path, bundle: Path, cloud: str = NOWHERE, **settings: Any
) -> AsyncIterator[tuple[EdgeService, httpx.AsyncClient]]:
    """The service and a client of its HTTP door."""
    chosen: dict[str, Any] = {"drain_seconds": 5.0, "threads": 1, "pinned_groups": BOTH, "post_deadline_seconds": 20.0}
    chosen |= {"http": "127.0.0.1:0", "rpc": "127.0.0.1:0"} | settings
    service = EdgeService(EdgeSettings(data=data, cloud=cloud, **chosen), bundle)
    try:
        await service.start()
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{service.http_port}", timeout=30) as client:
            yield service, client
    finally:
        await service.stop()


def picture(number: int = 0, width: int = 48, height: int = 40) -> bytes:
    """A JPEG; each number another one."""
    noise = (scattered_array((height, width, 3), number + 1, 127) + 128).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(noise).save(buffer, "JPEG", quality=90)
    return buffer.getvalue()


def metric(text: str, name: str) -> float:
    """The value of one line of /metrics, 0 where it is not there."""
    values = [line.rsplit(" ", 1)[1] for line in text.splitlines() if line.rsplit(" ", 1)[0] == name]
    return float(values[0]) if values else 0.0
