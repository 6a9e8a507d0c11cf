"""What the services' benchmarks share: the pictures that they play, and playing them at a pace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

from shared.model.tasks import TASKS
from taxon.client import CameraFrame

ROOT = Path(__file__).parents[1]
TASK_NAMES = tuple(task.name for task in TASKS)


def pictures() -> list[bytes]:
    """The shipped kitchen's frames."""
    return [path.read_bytes() for path in sorted((ROOT / "samples" / "kitchen").glob("*.jpg"))]


async def paced(frames: list[bytes], count: int, fps: float) -> AsyncIterator[CameraFrame]:
    """`count` frames, beginning again where they end, each when it is due."""
    loop = asyncio.get_running_loop()
    begun = loop.time()
    for index in range(count):
        await asyncio.sleep(max(0.0, begun + index / fps - loop.time()))
        yield CameraFrame(frames[index % len(frames)])
