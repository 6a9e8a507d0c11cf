"""A live table of cameras at a terminal, and the same as plain lines elsewhere.

View of each camera --table--> rich          Result --line--> "kitchen 17: 104 bytes, 95 ms, kitchen 83 %, stove 41 %"
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.markup import escape
from rich.table import Table

from taxon.client import Result
from taxon.live.watching import OBJECT, SCENE, View, top_class

_RIGHT = ("frames", "bytes/frame", "kbit/s", "delay p50")


def table(views: Sequence[View], caption: str) -> Table:
    """All cameras. caption: a line below."""
    made = Table(caption=escape(caption), caption_justify="left", expand=False)
    for name in ("camera", *_RIGHT, "scene", "object", "state"):
        made.add_column(name, justify="right" if name in _RIGHT else "left", no_wrap=name == "camera")
    for view in views:
        colour = "green" if view.state == "live" else "red"
        made.add_row(
            escape(view.camera_id),
            str(view.frames),
            f"{view.bytes_per_frame:.1f}",
            f"{view.kilobits_per_second:.2f}",
            milliseconds(view.delay_seconds),
            escape(view.scene),
            escape(view.object),
            f"[{colour}]{view.state}[/]",
        )
    return made


def line(result: Result, delay_seconds: float) -> str:
    """One result."""
    said = [f"{result.coded_bytes} bytes", milliseconds(delay_seconds)]
    said += [words for words in (top_class(result, SCENE), top_class(result, OBJECT)) if words]
    if result.error:
        said.append(f"not decoded: {result.error}")
    return f"{result.camera_id} {result.sequence}: {', '.join(said)}"


def summary(views: Sequence[View]) -> str:
    """All cameras on one line."""
    return "; ".join(
        f"{view.camera_id} {view.frames} frames, {view.bytes_per_frame:.1f} bytes each, "
        f"{milliseconds(view.delay_seconds)}, {view.state}"
        for view in views
    )


def milliseconds(seconds: float | None) -> str:
    """A delay for people."""
    return "-" if seconds is None else f"{seconds * 1000:.0f} ms"
