"""Draws docs/figures/dashboard-*.png: each dashboard from its own queries, asked of the real Prometheus beside live services.

    python -m tests.trials.figures.dashboards                       (about eleven minutes; needs Debian's prometheus)
    python -m tests.trials.figures.dashboards --keep answers.json   keeps what Prometheus said
    python -m tests.trials.figures.dashboards --from answers.json   draws it again

Four cameras play the sample rooms with the shipped bundle; one has a bit budget. One falls silent for a minute, and the cloud is killed
and started again.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from shared.errors import Refused
from shared.model.shipped import SHIPPED_BUNDLE
from taxon.client import CameraClient
from tests.support.live_stack import ROOMS, THRIFTY, CameraProcess, MeasuredStack, measured_stack
from tests.support.prometheus import ROOT, Series
from tests.trials.figures.drawing import Answers, draw

DASHBOARDS = ROOT / "deploy" / "grafana" / "dashboards"
FIGURES = ROOT / "docs" / "figures"
SUBJECT = THRIFTY
"""Whose dashboard is drawn."""
PROBE = "kitchen"
FRAMES_PER_SECOND = {"bedroom": 0.25, "kitchen": 0.5, "living_room": 0.5}
BUDGET_KBPS, THRIFTY_FRAMES_PER_SECOND = 0.35, 0.5
WARM_UP_SECONDS = 310
"""Rates are over five minutes, and before that they only rise."""
STEADY_SECONDS, DARK_SECONDS, OUTAGE_SECONDS, END_SECONDS = 60, 60, 30, 150
DAMAGE_SECONDS = 15
INTERVAL_SECONDS = 2


async def measured(folder: Path) -> Answers:
    """Runs the scene, and asks every query of every dashboard for its whole length."""
    picture = next((ROOT / "samples" / PROBE).glob("*.jpg")).read_bytes()
    async with measured_stack(
        folder, SHIPPED_BUNDLE, picture, (*ROOMS, THRIFTY), PROBE, BUDGET_KBPS, INTERVAL_SECONDS
    ) as stack:
        start = time.time() + WARM_UP_SECONDS
        await scene(stack, picture[:1000])
        end = time.time()
        print("asking every panel's queries")
        series = {
            query: await stack.prometheus.query_range(query.replace("$camera", SUBJECT), start, end, INTERVAL_SECONDS)
            for path in DASHBOARDS.glob("*.json")
            for panel in json.loads(path.read_text())["panels"]
            for query in (target["expr"] for target in panel["targets"])
        }
    return Answers(start, end, series)


async def scene(stack: MeasuredStack, damaged: bytes) -> None:
    """What happens in the figures. damaged: a picture that is posted now and then."""
    cameras = {room: CameraProcess(room, stack.edge, FRAMES_PER_SECOND[room]) for room in ROOMS}
    thrifty = CameraProcess("bedroom", stack.edge, THRIFTY_FRAMES_PER_SECOND, name=THRIFTY)
    damaging = asyncio.create_task(damages(stack, damaged))
    try:
        for camera in (*cameras.values(), thrifty):
            await camera.start()
        await passes(WARM_UP_SECONDS + STEADY_SECONDS, "four cameras play")
        await cameras["living_room"].stop()
        await passes(DARK_SECONDS, "living_room is silent")
        await cameras["living_room"].start()
        await stack.cloud.kill()
        await passes(OUTAGE_SECONDS, "the cloud is gone")
        await stack.cloud.start()
        await passes(END_SECONDS, "all is well again")
    finally:
        damaging.cancel()
        await asyncio.gather(damaging, return_exceptions=True)
        for camera in (*cameras.values(), thrifty):
            await camera.stop()


async def damages(stack: MeasuredStack, damaged: bytes) -> None:
    async with CameraClient(stack.edge.rpc, "bedroom") as camera:
        while True:
            with contextlib.suppress(Refused):
                await camera.post(damaged)
            await asyncio.sleep(DAMAGE_SECONDS)


async def passes(seconds: int, what: str) -> None:
    print(f"{what}: {seconds} s", flush=True)
    await asyncio.sleep(seconds)


def from_json(text: str) -> Answers:
    found: dict[str, Any] = json.loads(text)
    series = {query: [Series(**one) for one in several] for query, several in found.pop("series").items()}
    return Answers(**found, series=series)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path)
    parser.add_argument("--from", type=Path, dest="kept")
    arguments = parser.parse_args()
    if arguments.kept is not None:
        answers = from_json(arguments.kept.read_text())
    else:
        with tempfile.TemporaryDirectory() as folder:
            answers = asyncio.run(measured(Path(folder)))
    if arguments.keep is not None:
        arguments.keep.write_text(json.dumps(asdict(answers)))
    for path in sorted(DASHBOARDS.glob("*.json")):
        target = FIGURES / f"dashboard-{path.stem}.png"
        draw(json.loads(path.read_text()), answers, target, SUBJECT if path.stem == "camera" else "")
        print(f"wrote {target.relative_to(ROOT)}")


if __name__ == "__main__":
    main()
