"""Chaos repeats itself where it is told to, and its report sees what is wrong."""

from __future__ import annotations

from itertools import islice

from taxon.client import Outcome, Receipt
from tests.trials.chaos.memory import Growth
from tests.trials.chaos.plan import Plan
from tests.trials.chaos.report import CAMERAS, Report

KINDS = ("edge killed", "edge stopped", "cloud killed", "uplink cut", "edge's clock set")


def test_a_seed_is_a_plan_and_another_seed_another_one() -> None:
    steps = list(islice(Plan(7, KINDS), 100))
    assert steps == list(islice(Plan(7, KINDS), 100))
    assert steps != list(islice(Plan(8, KINDS), 100))
    first = [steps[3].draw(7, kind).random() for kind in ("edge killed", "uplink cut")]
    assert first == [steps[3].draw(7, kind).random() for kind in ("edge killed", "uplink cut")]
    assert len({*first, steps[4].draw(7, "edge killed").random(), steps[3].draw(8, "edge killed").random()}) == 4


def test_every_kind_comes_once_before_any_comes_twice_and_no_service_has_two_at_once() -> None:
    steps = list(islice(Plan(7, KINDS), 200))
    assert sorted(kind for step in steps[: len(KINDS)] for kind in step.kinds) == sorted(KINDS)
    assert any(len(step.kinds) == 2 for step in steps)
    for step in steps:
        assert len({kind.split()[0] for kind in step.kinds}) == len(step.kinds), step


def kept() -> Report:
    """A run in which every law was kept."""
    report = Report(7, disk_is_full=True)
    for camera in CAMERAS:
        for sequence in (10, 11, 12):
            report.note_receipt(Receipt(camera, Outcome.CODED, 0, sequence))
            report.steady[camera].append(sequence)
            report.returning[camera].append(sequence)
    report.growths = {"edge": Growth(4, 100e6, 1e6, 2e6)}
    return report


def test_a_run_that_kept_every_law_says_so() -> None:
    assert kept().broken() == []
    assert str(kept()).endswith("every law was kept")


def test_what_is_lost_doubled_or_out_of_order_is_told_apart() -> None:
    report = kept()
    report.steady["left"] = [10, 12]
    report.returning["middle"] = [10, 11, 11, 12]
    report.returning["right"] = [11, 10, 12]
    lost, doubled, turned = report.broken()
    assert "missing [11]" in lost
    assert "twice [11]" in doubled
    assert "in order: False" in turned


def test_memory_that_grows_over_the_lives_or_within_one_breaks_a_law() -> None:
    for growth in (Growth(9, 100e6, 40e6, 0.0), Growth(9, 100e6, 0.0, 40e6)):
        report = kept()
        report.growths = {"cloud": growth}
        (found,) = report.broken()
        assert found.startswith("cloud needs more memory"), found


def test_nothing_accepted_is_no_success() -> None:
    assert "nothing was accepted" in Report(7).broken()
