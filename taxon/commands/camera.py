"""`taxon camera SOURCE` plays a folder, video, network camera or webcam to an edge.

    SOURCE --play, at its rate--> frames --CameraClient--> the edge --receipts--> counts, or JSON lines

It waits for an edge that is not up yet. After a break it posts again the frames that were not answered.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from pathlib import Path

from shared.contract.packets import checked_name
from shared.sources import WATCH, open_source, play
from shared.sources.address import is_stream_address, parsed
from shared.telemetry.logs import configure_logs
from taxon.client import CameraClient, Receipt, Timeouts
from taxon.commands.common import add_credentials, count, credentials_of, positive
from taxon.errors import CommandError
from taxon.live.stopping import Stop, finish, run_live, until
from taxon.live.tally import Tally, receipt_document

DEFAULT_EDGE = "127.0.0.1:50051"
LAST_ANSWERS_SECONDS = 10.0
"""The time that a stopping camera waits for the answers to its last frames."""
NO_ANSWER_SECONDS = 1.0
"""The same if no frame was answered yet."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="SOURCE",
        help="folder of pictures, watch:FOLDER that a camera fills, picture, video file, rtsp:// or http:// of a camera "
        "(rtsp+udp://, rtsp+tcp://: by this transport alone), or webcam:/dev/video0",
    )
    parser.add_argument("--to", default=DEFAULT_EDGE, metavar="HOST:PORT", help=f"the edge's gRPC ({DEFAULT_EDGE})")
    parser.add_argument("--camera", metavar="ID", help="the camera's name (default: after the source)")
    parser.add_argument(
        "--fps",
        type=positive,
        metavar="N",
        help="frames a second (default: 10 of a folder, 1 of a picture's URL, all of a video)",
    )
    parser.add_argument(
        "--remember",
        type=Path,
        metavar="FILE",
        help="keep here what a watched folder has given, so that the next start gives none of it again",
    )
    again = parser.add_mutually_exclusive_group()
    again.add_argument("--loop", action="store_true", help="begin again at the end; open a broken live source again")
    again.add_argument("--once", dest="loop", action="store_false", help="end where the source ends (default)")
    parser.add_argument(
        "--seconds",
        type=positive,
        metavar="N",
        help="end so many seconds after the first answer (default: with the source)",
    )
    parser.add_argument(
        "--in-flight", type=count, default=8, metavar="N", help="frames that may wait for their answer (8)"
    )
    parser.add_argument(
        "--give-up", type=positive, metavar="N", help="end after so many seconds without an edge (default: never)"
    )
    add_credentials(parser)
    parser.add_argument("--json", action="store_true", help="a JSON line for each receipt, and one for the counts")


def run(arguments: argparse.Namespace) -> int:
    configure_logs("camera", "warning", "text")
    return run_live(_played(arguments))


async def _played(arguments: argparse.Namespace) -> int:
    tally = Tally(checked_name("camera", arguments.camera or name_of(arguments.source)))
    stop = Stop()
    stop.on_signals()
    showing = asyncio.create_task(_show(tally)) if sys.stderr.isatty() and not arguments.json else None
    try:
        await _play(arguments, tally, stop)
    finally:
        if showing is not None:
            showing.cancel()
            await asyncio.gather(showing, return_exceptions=True)
        if tally.posted:
            print(json.dumps({"summary": tally.document()}) if arguments.json else tally.line(), flush=True)
    if not tally.posted:
        raise CommandError(
            f"no frame of {tally.camera_id} was answered by an edge at {arguments.to}; does it run there?"
        )
    if not tally.taken and tally.first_refusal is not None:
        raise tally.first_refusal
    return 0


async def _play(arguments: argparse.Namespace, tally: Tally, stop: Stop) -> None:
    timeouts = Timeouts(give_up=arguments.give_up)
    source = open_source(arguments.source, fps=arguments.fps, loop=arguments.loop, memory=arguments.remember)
    with source:
        async with CameraClient(arguments.to, tally.camera_id, timeouts, credentials_of(arguments)) as camera:
            receipts = camera.stream(until(play(source), stop), arguments.in_flight)
            # An edge that never answered will hardly begin to now.
            await finish(
                _count(receipts, arguments, tally, stop),
                stop,
                lambda: LAST_ANSWERS_SECONDS if tally.posted else NO_ANSWER_SECONDS,
            )


async def _count(
    receipts: AsyncGenerator[Receipt, None], arguments: argparse.Namespace, tally: Tally, stop: Stop
) -> None:
    async with aclosing(receipts):
        async for receipt in receipts:
            stop.after(arguments.seconds)
            tally.add(receipt)
            if arguments.json:
                print(json.dumps(receipt_document(receipt)), flush=True)


async def _show(tally: Tally) -> None:
    """Write the counts on one line of the terminal, every second."""
    try:
        while True:
            await asyncio.sleep(1)
            # The cursor goes back to the line's beginning, so that a log line writes over it.
            print(f"\r{tally.line()}\x1b[K\r", end="", file=sys.stderr, flush=True)
    finally:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def name_of(source: str) -> str:
    """Return a camera's name after its source: the last part of its path, or its host, in characters that a name may have."""
    # What else an address has may be a password.
    if is_stream_address(source):
        stem = parsed(source).camera_name
    else:
        stem = Path(source.removeprefix(WATCH).rstrip("/").rsplit("/", 1)[-1]).stem
    return re.sub(r"[^A-Za-z0-9._-]+", "-", stem, flags=re.ASCII).strip("-.")[:64] or "camera"
