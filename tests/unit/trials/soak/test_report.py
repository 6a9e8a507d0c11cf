"""A soak's report sees what grows, and does not take an allocator's wandering for it."""

from __future__ import annotations

import csv
import random
from pathlib import Path

from tests.support.services import Signs, slope
from tests.trials.soak.report import Point, Soak, draw, write_csv


def soak(leak_bytes: float = 0.0, descriptors: float = 0.0, threads: float = 0.0, without_result: int = 0) -> Soak:
    """An hour at 10 frames a second. What the cloud leaks: bytes a frame; descriptors and threads an hour."""
    draws = random.Random(7)
    points = []
    for second in range(6, 3601, 6):
        warm = 30e6 * min(1.0, second / 80)
        resident = round(500e6 + warm + 10 * second * leak_bytes + draws.gauss(0, 5e6))
        share = second / 3600
        cloud = Signs(resident, round(40 + draws.choice((-2, 0, 2)) + descriptors * share), round(30 + threads * share))
        points.append(Point(float(second), Signs(350_000_000, 40, 20), cloud, 10 * second, 10 * second, 0))
    return Soak(7, 10.0, points, visits=9, without_result=without_result)


def test_a_cache_that_fills_and_an_allocator_that_wanders_are_no_leak() -> None:
    assert soak().broken() == []
    assert str(soak()).endswith("every law was kept")


def test_a_kilobyte_a_frame_is_seen_in_an_hour() -> None:
    (found,) = soak(leak_bytes=1000).broken()
    assert found.startswith("cloud: memory rises")


def test_descriptors_threads_and_lost_frames_are_seen() -> None:
    assert "descriptors" in soak(descriptors=12).broken()[0]
    assert "threads" in soak(threads=12).broken()[0]
    assert "without a result" in soak(without_result=1).broken()[0]


def test_a_run_that_delivered_nothing_or_was_too_short_is_no_success() -> None:
    nothing = soak()
    nothing.points = [Point(one.seconds, one.edge, one.cloud, 0, 0, 0) for one in nothing.points]
    assert "nothing was delivered" in nothing.broken()
    assert Soak(7, 10.0).broken() == ["too short to say anything"]


def test_the_slope_is_of_least_squares() -> None:
    assert abs(slope([10.0, 11.0, 12.0], [1.0, 3.0, 5.0]) - 2) < 1e-9
    assert slope([1.0], [1.0]) == 0.0


def test_the_time_line_and_the_picture_are_written(tmp_path: Path) -> None:
    found = soak()
    write_csv(found.points, tmp_path / "soak.csv")
    with (tmp_path / "soak.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 600
    assert float(rows[-1]["cloud_threads"]) == found.points[-1].cloud.threads
    draw(found, tmp_path / "soak.png")
    assert (tmp_path / "soak.png").read_bytes().startswith(b"\x89PNG")
