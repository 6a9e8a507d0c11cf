"""`taxon cameras` lists, adds, changes, pauses, resumes and removes the cameras of a running edge, and shows what is coded.

list, show, add, change, pause, resume, remove --EdgeApi--> the edge's HTTP API --> a table, a line, or JSON
preview CAMERA -o FILE --> a PNG from the edge           preview --picture FILE --view FILE --> a PNG drawn here
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from taxon.commands.common import add_bundle_option, add_credentials, credentials_of, positive
from taxon.edge_api import DEFAULT_EDGE, EdgeApi, EdgeRefused
from taxon.errors import CommandError, UsageError
from taxon.files import write_all

SETTINGS = ("source", "fps", "most_fps", "queue_policy", "budget_kbps", "rate", "view")
PIPE_COLUMNS = 200
"""The width of a table that nobody looks at on a terminal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

    def action(name: str, told: str, *, camera: bool = True) -> argparse.ArgumentParser:
        added = actions.add_parser(name, help=told, description=told)
        if camera:
            added.add_argument("camera", metavar="CAMERA", help="the camera's name")
        added.add_argument(
            "--edge", default=DEFAULT_EDGE, metavar="URL", help=f"the edge's HTTP address ({DEFAULT_EDGE})"
        )
        added.add_argument("--json", action="store_true", help="print JSON, as the edge's API has it")
        add_credentials(added)
        return added

    action("list", "all cameras, and how they are", camera=False)
    action("show", "one camera: what is set for it, and what became of its frames")
    adding = action("add", "add a camera; kept over restarts of the edge")
    _add_settings(adding)
    adding.add_argument("--paused", action="store_true", help="begin paused")
    changing = action("change", "change what is named, and leave the rest")
    _add_settings(changing)
    changing.add_argument(
        "--unset",
        nargs="+",
        choices=SETTINGS,
        default=[],
        metavar="SETTING",
        help="take back to the edge's own setting",
    )
    action("pause", "take no more of its frames, and stop its source")
    action("resume", "take its frames again")
    action("remove", "remove it; what was accepted of it is delivered")
    previewing = actions.add_parser("preview", help="a picture of what is coded", description=_preview.__doc__)
    previewing.add_argument("camera", nargs="?", metavar="CAMERA", help="the camera's name; none with --picture")
    previewing.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the PNG file to write")
    previewing.add_argument("--wait", type=positive, default=10.0, metavar="SECONDS", help="for its next frame (10)")
    previewing.add_argument("--picture", type=Path, metavar="FILE", help="draw it on this picture, without an edge")
    previewing.add_argument("--view", type=Path, metavar="FILE", help="with --picture: masks and crop, JSON or TOML")
    previewing.add_argument(
        "--edge", default=DEFAULT_EDGE, metavar="URL", help=f"the edge's HTTP address ({DEFAULT_EDGE})"
    )
    add_bundle_option(previewing)
    add_credentials(previewing)


def _add_settings(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("what is set for the camera; what is left out is as the edge's own settings say")
    group.add_argument("--source", metavar="SPEC", help="what the edge plays: a folder, file, URL or device")
    group.add_argument("--fps", type=positive, metavar="N", help="frames a second to play")
    group.add_argument("--most-fps", type=positive, metavar="N", help="frames a second that are taken at most")
    group.add_argument("--queue-policy", choices=("newest", "all"), help="what a full queue does")
    group.add_argument("--budget-kbps", type=positive, metavar="N", help="bit budget, kbit/s")
    group.add_argument("--rate", type=int, metavar="N", help="operating point; the highest, with a budget")
    group.add_argument("--view", type=Path, metavar="FILE", help="privacy masks and crop, JSON or TOML")


def run(arguments: argparse.Namespace) -> int:
    if arguments.action == "preview":
        return _preview(arguments)
    edge = EdgeApi(arguments.edge, credentials_of(arguments))
    camera: str = getattr(arguments, "camera", "")
    match arguments.action:
        case "list":
            found = edge.ask("GET")
            _print(arguments, found, lambda: _table(found["cameras"]))
        case "show":
            found = edge.ask("GET", camera)
            _print(arguments, found, lambda: _facts(found))
        case "add":
            body = _settings(arguments) | ({"paused": True} if arguments.paused else {})
            found = _added(edge, camera, body)
            _print(arguments, found, lambda: print(f"{camera} added: {_set(found)}"))
        case "change":
            body = _settings(arguments) | dict.fromkeys(arguments.unset)
            if not body:
                raise UsageError("nothing is named that is to change; see taxon cameras change --help")
            found = edge.ask("PATCH", camera, body=body)
            _print(arguments, found, lambda: print(f"{camera} changed: {_set(found)}"))
        case "pause" | "resume":
            found = edge.ask("POST", camera, f"/{arguments.action}")
            _print(arguments, found, lambda: print(f"{camera} {'is paused' if found['paused'] else 'goes on'}"))
        case "remove":
            edge.ask("DELETE", camera)
            _print(arguments, {"removed": camera}, lambda: print(f"{camera} removed"))
    return 0


def _added(edge: EdgeApi, camera: str, body: dict[str, Any]) -> Any:
    try:
        return edge.ask("PUT", camera, body=body, headers={"If-None-Match": "*"})
    except EdgeRefused as error:
        if error.title != "CHANGED_MEANWHILE":
            raise
        raise CommandError(f"camera {camera} is there already; change it with taxon cameras change") from error


def _preview(arguments: argparse.Namespace) -> int:
    """Write a picture of what the edge codes of a camera's next frame: nothing that a mask covers or a crop leaves out."""
    if (arguments.camera is None) == (arguments.picture is None):
        raise UsageError("name a camera, or a picture with --picture")
    if arguments.picture is None:
        if arguments.view is not None:
            raise UsageError("--view is for --picture: a camera's own view is set with taxon cameras change")
        png = EdgeApi(arguments.edge, credentials_of(arguments)).preview(arguments.camera, arguments.wait)
    else:
        png = _drawn(arguments.picture, arguments.view, arguments.bundle)
    write_all({arguments.output: png})
    print(arguments.output)
    return 0


def _drawn(picture: Path, view: Path | None, bundle: Path | None) -> bytes:
    # Imported now: the other actions need no picture library and no networks.
    from edge_encoder.encoding.view import WHOLE_PICTURE
    from shared.model.bundle import Bundle
    from taxon.defaults import bundle_directory
    from taxon.preview import preview_of, read_view

    size = Bundle.load(bundle_directory(bundle)).manifest.input
    return preview_of(picture, WHOLE_PICTURE if view is None else read_view(view), size)


def _settings(arguments: argparse.Namespace) -> dict[str, Any]:
    """Return what the command line sets."""
    found = {name: value for name in SETTINGS if (value := getattr(arguments, name)) is not None}
    if "view" in found:
        from taxon.preview import read_view

        found["view"] = read_view(found["view"]).document()
    return found


def _print(arguments: argparse.Namespace, answer: Any, shown: Any) -> None:
    if arguments.json:
        print(json.dumps(answer, indent=2))
    else:
        shown()


def _table(cameras: Sequence[Mapping[str, Any]]) -> None:
    from rich.console import Console
    from rich.table import Table

    if not cameras:
        print("there are no cameras yet: add one with taxon cameras add NAME --source SPEC, or post a frame")
        return
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("camera", "named by", "state", "sight", "coded", "bytes a frame", "last frame", "source"):
        table.add_column(name, justify="right" if name in ("coded", "bytes a frame") else "left")
    for one in cameras:
        coded, settings = one["coded"], one["settings"] or {}
        table.add_row(
            one["camera_id"],
            one["origin"].replace("_", " "),
            _state(one),
            (one["sight"] or {}).get("state", "-"),
            str(coded),
            f"{one['coded_bytes'] / coded:.0f}" if coded else "-",
            _ago(one["last_frame_time"]),
            settings.get("source") or "-",
        )
    Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS).print(table)


def _facts(camera: Mapping[str, Any]) -> None:
    """Print a line for each fact of a camera."""
    print(f"{camera['camera_id']}: {_state(camera)}, named by {camera['origin'].replace('_', ' ')}")
    print(f"  set            {_set(camera)}")
    counts = {"coded": "coded", "not_wanted": "not wanted", "superseded": "superseded", "over_budget": "over budget"}
    print(f"  frames         {', '.join(f'{camera[name]} {words}' for name, words in counts.items())}")
    print(f"  last frame     {_ago(camera['last_frame_time'])}")
    if (sight := camera["sight"]) is not None:
        print(f"  sight          {sight['state']}, since {_ago(sight['since'])}")
    if (source := camera["source"]) is not None:
        print(f"  source         {source['state']}, since {_ago(source['since'])}; {source['failures']} failures")
        if source["last_error"]:
            print(f"  last error     {source['last_error']}")


def _state(camera: Mapping[str, Any]) -> str:
    if camera["paused"]:
        return "paused"
    return str(camera["source"]["state"]) if camera["source"] else "posts"


def _set(camera: Mapping[str, Any]) -> str:
    settings = camera["settings"]
    if settings is None:
        return "not shown to this token"
    named = {name: value for name in SETTINGS if (value := settings.get(name)) is not None}
    return ", ".join(f"{name} {_written(value)}" for name, value in named.items()) or "nothing of its own"


def _written(value: Any) -> str:
    return json.dumps(value) if isinstance(value, dict | list) else str(value)


def _ago(time: str | None) -> str:
    """Return how long ago an RFC 3339 time was."""
    if time is None:
        return "never"
    seconds = max(0.0, (datetime.now(UTC) - datetime.fromisoformat(time)).total_seconds())
    for unit, length in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * length:
            return f"{seconds / length:.0f} {unit} ago"
    return f"{seconds:.0f} s ago"
