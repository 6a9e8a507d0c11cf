"""Subscribe to two tasks of all cameras: print the scene of each frame, and save its normals.

    python examples/subscriber.py 127.0.0.1:50061 normals

The subscription is what makes the edges code frames. It outlives restarts of the cloud: results come once and in order.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import numpy as np

from taxon import ClassesResult, Subscriber, TaxonError, TensorResult, Timeouts, Wish


async def main(cloud: str, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    wish = Wish(tasks=("class_scene", "normal"), longest_side_pixels=128)
    async with Subscriber(cloud, wish, timeouts=Timeouts(give_up=30)) as results:
        await results.subscribed()
        print("subscribed", flush=True)
        async for result in results:
            scene, normal = result.task("class_scene"), result.task("normal")
            if isinstance(scene, ClassesResult):
                best = scene.classes[0]
                print(f"{result.camera_id} {result.sequence}: {best.label} {best.probability:.0%}", flush=True)
            if isinstance(normal, TensorResult):
                # Unit vectors, [3, H, W]: towards the right, up, and towards the camera.
                np.save(folder / f"{result.camera_id}-{result.sequence}.npy", normal.values)


if __name__ == "__main__":
    try:
        asyncio.run(main(sys.argv[1], Path(sys.argv[2])))
    except TaxonError as error:
        sys.exit(f"subscriber: {error}")
    except KeyboardInterrupt:
        pass
