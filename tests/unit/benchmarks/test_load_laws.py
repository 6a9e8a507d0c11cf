"""The load generator's laws hold for what should pass and for nothing else, and its count of fates agrees with the edge's."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

from benchmarks.load.generate import _difference
from benchmarks.load.report import Load, Served, draw, summary, table


def served(cameras: int, share: float, goodput: float, p99_ms: float = 500.0) -> Served:
    offered = 20.0 * share
    coded = round(15 * min(offered, goodput))
    outcomes = {"coded": coded, "superseded": max(0, round(15 * offered) - coded)}
    return Served(cameras, share, 15.0, offered, goodput, 80.0, 300.0, p99_ms, 2.0, outcomes, 0, 0, 0)


def load(*more: Served) -> Load:
    curve = tuple(served(10, share, min(20.0, 20 * share)) for share in (0.5, 1.0, 2.0, 2.5))
    return Load(480.0, 20.0, curve, (served(1, 2.0, 19.5), served(1000, 2.0, 18.5, 31_000.0), *more))


def test_a_system_that_goes_on_serving_keeps_every_law(tmp_path: Path) -> None:
    assert load().broken() == []
    assert summary(load()).endswith("every law was kept")
    assert len(table(load()).splitlines()) == 2 + 6
    draw(load(), tmp_path / "load.png")
    assert (tmp_path / "load.png").read_bytes().startswith(b"\x89PNG")


def test_goodput_that_falls_over_the_capacity_breaks_one() -> None:
    (found,) = load(served(10, 1.5, 15.5)).broken()
    assert "goodput fell to 15.5" in found
    assert load(served(10, 0.75, 14.0)).broken() == [], "less than the capacity was offered"
    assert "goodput fell" in load(served(100, 2.0, 14.0)).broken()[0], "a hundred cameras may not cost a quarter"


def test_the_delays_bound_is_of_the_settings() -> None:
    found = load()
    assert found.bound_ms(1) < found.bound_ms(10) < found.bound_ms(1000)
    assert found.bound_ms(1000) < 40_000, "nobody waits for a turn longer than the post's deadline of 30 s"
    assert "p99 of the delay" in load(served(1, 2.0, 19.5, 1.01 * found.bound_ms(1))).broken()[0]


def test_every_frame_is_accounted_for() -> None:
    fine = served(10, 2.0, 20.0)
    for wrong in (replace(fine, unexplained=1), replace(fine, missing=2), replace(fine, edge_differs=3)):
        assert len(load(wrong).broken()) == 1, wrong


def test_refusals_are_one_outcome_to_the_edge() -> None:
    here = Counter({"coded": 5, "refused: BUSY": 2, "refused: DEADLINE_PASSED": 1})
    assert _difference(here, Counter({"coded": 5, "refused": 3})) == 0
    assert _difference(here, Counter({"coded": 6, "refused": 2, "superseded": 2})) == 2
