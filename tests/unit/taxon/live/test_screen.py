"""Cameras and results as people see them at a terminal."""

from __future__ import annotations

import io

from rich.console import Console

from taxon.live.screen import Watching, line, table
from tests.unit.taxon.live.some_results import result, scene


def test_the_table_shows_a_camera_whose_words_look_like_markup() -> None:
    watching = Watching()
    watching.add(result("kitchen", 1, scene("[red]odd[/red]", 1.0)))
    out = io.StringIO()
    Console(file=out, width=120).print(table(watching.views(), "the link is down"))
    assert "[red]odd[/red] 100%" in out.getvalue()
    assert "the link is down" in out.getvalue()


def test_a_line_says_camera_sequence_bytes_delay_and_words() -> None:
    assert line(result("hall", 9, scene("hall", 0.5)), 0.0951) == "hall 9: 100 bytes, 95 ms, hall 50%"
    assert line(result("hall", 9, error="damaged"), 0.1).endswith("not decoded: damaged")
