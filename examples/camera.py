"""Post a folder of pictures to an edge, as a camera that takes two frames a second would.

    taxon cloud
    taxon edge --cloud 127.0.0.1:50061
    python examples/camera.py samples/kitchen 127.0.0.1:50051

A frame that nobody's subscription wants is answered `not_wanted`: start examples/subscriber.py first to see `coded`.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path

from taxon import CameraClient, CameraFrame, TaxonError, Timeouts


async def frames(folder: Path) -> AsyncIterator[CameraFrame]:
    """Give the folder's pictures, two a second. Each frame has the time at which it is posted."""
    for path in sorted(folder.glob("*.jpg")):
        yield CameraFrame(path.read_bytes())
        await asyncio.sleep(0.5)


async def main(folder: Path, edge: str) -> None:
    # Without give_up the client waits for an edge that is away, for as long as it takes.
    async with CameraClient(edge, camera_id=folder.name, timeouts=Timeouts(give_up=30)) as camera:
        async for receipt in camera.stream(frames(folder)):
            print(f"frame {receipt.sequence}: {receipt.outcome}, {receipt.coded_bytes} bytes", flush=True)


if __name__ == "__main__":
    try:
        asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
    except TaxonError as error:
        sys.exit(f"camera: {error}")
