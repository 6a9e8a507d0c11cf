"""`taxon demo` runs three cameras, an edge, a cloud and its wall on this machine, and counts the results that arrive.

    samples/<room> x 3 --> edge --> cloud --> a table here, the wall in a browser --> "demo: 120 posted, ..., 0 lost, ..."

The exit status is 1 if a frame that the edge accepted was lost, if none was accepted, or if a process died.
"""

from __future__ import annotations

import argparse
import asyncio
from pathlib import Path

from shared.model.shipped import SHIPPED_SAMPLES
from shared.telemetry.logs import configure_logs
from taxon.commands.common import add_bundle_option, positive
from taxon.defaults import bundle_directory, load_bundle
from taxon.errors import InputError
from taxon.live.demo import Demo, DemoPlan, free_ports
from taxon.live.stopping import Stop, run_live

ROOMS = ("kitchen", "living_room", "bedroom")
DEFAULT_FPS = 2.0
DEFAULT_FOLDER = Path("out/demo")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--duration",
        type=positive,
        metavar="SECONDS",
        help="play for so many seconds, then sum up (default: until Ctrl-C)",
    )
    parser.add_argument(
        "--fps", type=positive, default=DEFAULT_FPS, metavar="N", help="frames a second of each camera (2)"
    )
    parser.add_argument(
        "--folder", type=Path, default=DEFAULT_FOLDER, metavar="DIR", help="folder for logs and data (out/demo)"
    )
    add_bundle_option(parser)


def run(arguments: argparse.Namespace) -> int:
    configure_logs("demo", "warning", "text")
    return run_live(_demonstrated(arguments))


async def _demonstrated(arguments: argparse.Namespace) -> int:
    stop = Stop()
    stop.on_signals()
    plan = await asyncio.to_thread(_plan, arguments)
    demo = Demo(plan, stop)
    try:
        await demo.run()
    finally:
        print(f"demo: {demo.ledger.line()}", flush=True)
    return 0 if demo.ledger.coded and not demo.ledger.lost else 1


def _plan(arguments: argparse.Namespace) -> DemoPlan:
    """Return the plan; raises BundleError or InputError before any process is started."""
    load_bundle(arguments.bundle)
    rooms = tuple(SHIPPED_SAMPLES / room for room in ROOMS)
    missing = [str(room) for room in rooms if not room.is_dir()]
    if missing:
        raise InputError(
            f"the demo's clips are missing: {', '.join(missing)}; install the whole wheel, or take the whole checkout"
        )
    bundle = bundle_directory(arguments.bundle).resolve()
    return DemoPlan(rooms, arguments.fps, arguments.duration, bundle, arguments.folder, free_ports())
