"""`taxon watch` subscribes to results and shows them, or saves them.

    the cloud --Subscriber--> Result --> a live table at a terminal, a line for each elsewhere
                                     --> with --save DIR: files

It waits for a cloud that is not up yet. After a break it goes on without losing a result that the cloud still has.
Law: a result's JSON is put in place last, so that a frame whose JSON is there is complete.
"""

from __future__ import annotations

import argparse
import asyncio
import io
import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from shared.contract.packets import checked_name
from shared.model.tasks import CLASS_TASKS
from shared.telemetry.logs import configure_logs
from taxon.client import (
    ClassesResult,
    CloudClient,
    Credentials,
    Encoding,
    PictureResult,
    Result,
    Subscriber,
    TensorResult,
    Timeouts,
    Unreachable,
    Wish,
)
from taxon.commands.common import add_credentials, count, credentials_of, names_of, positive
from taxon.errors import CommandError, UsageError
from taxon.files import write_all
from taxon.live.screen import Watching, line, shown, summary
from taxon.live.stopping import Stop, finish, run_live, until

DEFAULT_CLOUD = "127.0.0.1:50061"
ASKED_AGAIN_SECONDS = 3.0
LAST_SECONDS = 7.0
"""The longest time that a stopping watcher takes to unsubscribe."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--from",
        dest="cloud",
        default=DEFAULT_CLOUD,
        metavar="HOST:PORT",
        help=f"the cloud's gRPC ({DEFAULT_CLOUD}); of several replicas with commas",
    )
    parser.add_argument("--cameras", nargs="+", metavar="ID", help="cameras (default: all)")
    parser.add_argument(
        "--tasks",
        nargs="+",
        metavar="TASK",
        help="tasks (default: scene and object class; with --save all that the cloud offers)",
    )
    parser.add_argument(
        "--save", type=Path, metavar="DIR", help="write each result: DIR/<camera>/<sequence>.json, .png"
    )
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--png", action="store_true", help="dense results as pictures (default)")
    form.add_argument("--tensors", action="store_true", help="dense results as numbers, .npy")
    parser.add_argument(
        "--longest-side",
        type=count,
        default=0,
        metavar="N",
        help="longest side of dense results, in pixels (default: the network's)",
    )
    parser.add_argument(
        "--seconds",
        type=positive,
        metavar="N",
        help="end so many seconds after the subscription began, or after as many without one",
    )
    parser.add_argument("--frames", type=count, metavar="N", help="end after so many results")
    parser.add_argument(
        "--give-up", type=positive, metavar="N", help="end after so many seconds without a cloud (default: never)"
    )
    add_credentials(parser)


def run(arguments: argparse.Namespace) -> int:
    if (arguments.png or arguments.tensors or arguments.longest_side) and arguments.save is None:
        raise UsageError("--png, --tensors and --longest-side are about files: add --save DIR")
    # At a terminal the table itself says that the link is down, and a log line would tear it apart.
    configure_logs("watch", "error" if sys.stdout.isatty() else "warning", "text")
    return run_live(_watched(arguments))


async def _watched(arguments: argparse.Namespace) -> int:
    stop, watching = Stop(), Watching()
    stop.on_signals()
    await finish(_watch(arguments, watching, stop), stop, LAST_SECONDS)
    if not watching.frames:
        tls = "" if arguments.ca else ", without TLS (else give --ca)"
        raise CommandError(
            f"no result came from {arguments.cloud}; does a cloud run there{tls}, and does a camera play?"
        )
    return 0


async def _watch(arguments: argparse.Namespace, watching: Watching, stop: Stop) -> None:
    wish = Wish(
        cameras=tuple(names_of(arguments.cameras) or ()),
        tasks=await _tasks(arguments),
        encoding=Encoding.TENSOR if arguments.tensors else Encoding.PNG,
        longest_side_pixels=arguments.longest_side,
    )
    timeouts, credentials = Timeouts(give_up=arguments.give_up), credentials_of(arguments)
    async with Subscriber(arguments.cloud, wish, timeouts=timeouts, credentials=credentials) as results:
        timing = asyncio.create_task(_end_after(arguments.seconds, results, stop))
        try:
            async with shown(watching, results):
                await _take(results, watching, arguments, stop)
        finally:
            timing.cancel()
            await asyncio.gather(timing, return_exceptions=True)
            if watching.frames:
                print(summary(watching.views()), file=sys.stderr)
            if results.lost:
                print(f"{results.lost} results were lost on the way: this watcher was too slow", file=sys.stderr)


async def _tasks(arguments: argparse.Namespace) -> tuple[str, ...]:
    """Return the tasks that the command line names, or the default ones."""
    named = names_of(arguments.tasks)
    if named is not None:
        return tuple(named)
    if arguments.save is None:
        return CLASS_TASKS
    return await all_tasks(arguments.cloud, arguments.give_up, credentials_of(arguments))


async def all_tasks(cloud: str, give_up_seconds: float | None, credentials: Credentials) -> tuple[str, ...]:
    """Wait for the cloud and return every task that it offers; raises Unreachable after `give_up_seconds`, if given."""
    timeouts = Timeouts(answer=ASKED_AGAIN_SECONDS if give_up_seconds is None else give_up_seconds)
    told = False
    async with CloudClient(cloud, timeouts, credentials) as client:
        while True:
            try:
                return await client.task_names()
            except Unreachable:
                if give_up_seconds is not None:
                    raise
                if not told:
                    print(f"taxon: {cloud}: no cloud answers yet; trying again", file=sys.stderr, flush=True)
                told = True


async def _end_after(seconds: float | None, results: Subscriber, stop: Stop) -> None:
    """End after these seconds of subscription, or after as many of waiting for one: an unknown camera may never come."""
    try:
        await asyncio.wait_for(results.subscribed(), seconds)
    except TimeoutError:
        stop.after(0.001)
    else:
        stop.after(seconds)


async def _take(results: Subscriber, watching: Watching, arguments: argparse.Namespace, stop: Stop) -> None:
    async for result in until(results, stop):
        delay = watching.add(result)
        if arguments.save is not None:
            await asyncio.to_thread(save, arguments.save, result)
        if not sys.stdout.isatty():
            print(line(result, delay), flush=True)
        if watching.frames == arguments.frames:
            return


def save(folder: Path, result: Result) -> None:
    """Write one result below the folder; raises OutputError. It waits for the disk, so call it in a thread."""
    write_all(files_of(folder, result))


def files_of(folder: Path, result: Result) -> dict[Path, bytes]:
    """Return the files of one result; raises BadName if its camera or a task has no valid name."""
    camera = folder / _folder_name(checked_name("camera", result.camera_id))
    files: dict[Path, bytes] = {}
    for task in result.tasks:
        path = camera / f"{result.sequence}.{checked_name('task', task.task)}"
        if isinstance(task, TensorResult):
            buffer = io.BytesIO()
            np.save(buffer, task.values, allow_pickle=False)
            files[path.with_name(f"{path.name}.npy")] = buffer.getvalue()
        elif isinstance(task, PictureResult):
            files[path.with_name(f"{path.name}.png")] = task.png
    names = [path.name for path in files]
    document = json.dumps({**_document(result), "files": names}, indent=1, ensure_ascii=False)
    return {**files, camera / f"{result.sequence}.json": (document + "\n").encode()}


def _folder_name(camera_id: str) -> str:
    """Return the camera's id, or a harmless name for the two ids that mean other folders."""
    return f"_{camera_id}" if camera_id in (".", "..") else camera_id


def _document(result: Result) -> dict[str, Any]:
    return {
        "camera": result.camera_id,
        "sequence": result.sequence,
        "capture_time_us": result.capture_time_us,
        "received_time_us": result.received_time_us,
        "coded_bytes": result.coded_bytes,
        "groups": [vars(one) for one in result.groups],
        "geometry": asdict(result.geometry),
        "bundle_digest": result.bundle_digest.hex(),
        "traceparent": result.traceparent,
        "error": result.error,
        "classes": {
            task.task: [vars(one) | {"probability": round(one.probability, 6)} for one in task.classes]
            for task in result.tasks
            if isinstance(task, ClassesResult)
        },
    }
