"""What the live commands count and show: receipts, results, and whether one became the other."""

from __future__ import annotations

import io
import json
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from shared.contract.geometry import Geometry
from shared.errors import BadName
from taxon.client import (
    ClassesResult,
    ClassProbability,
    GroupBytes,
    Outcome,
    PictureResult,
    Receipt,
    Refused,
    Result,
    TaskResult,
    TensorResult,
)
from taxon.live.result_files import files_of, save
from taxon.live.screen import line, table
from taxon.live.tally import Ledger, Tally
from taxon.live.watching import SILENT_SECONDS, WINDOW_SECONDS, Watching


def result(camera: str = "kitchen", sequence: int = 1, *tasks: TaskResult, error: str = "", time_us: int = 0) -> Result:
    return Result(
        camera, sequence, time_us, 2, 100, (GroupBytes("semantic", 1, 60),), Geometry(640, 480, 256, 256), tasks, "", b"\1", error, "c"
    )  # fmt: skip


def scene(label: str, probability: float) -> ClassesResult:
    return ClassesResult("class_scene", (ClassProbability(3, label, probability), ClassProbability(4, "office", 0.1)))


def test_a_tally_counts_what_became_of_each_frame() -> None:
    tally = Tally("kitchen")
    refusal = Refused("TOO_LARGE", "too large", "RESOURCE_EXHAUSTED")
    tally.add(Receipt("kitchen", Outcome.CODED, 1, 1, 100))
    tally.add(Receipt("kitchen", Outcome.CODED, 2, 2, 300))
    tally.add(Receipt("kitchen", Outcome.NOT_WANTED, 3))
    tally.add(Receipt("kitchen", Outcome.REFUSED, 4, refusal=refusal))
    assert (tally.posted, tally.taken, tally.first_refusal) == (4, 3, refusal)
    assert tally.line() == (
        "kitchen: 4 posted, 2 coded, 1 not wanted, 0 superseded, 0 over budget, 1 refused, 200.0 bytes a frame"
    )


@given(
    st.sets(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 20))),
    st.sets(st.tuples(st.sampled_from(["a", "b"]), st.integers(1, 20))),
    st.randoms(use_true_random=False),
)
def test_law_lost_is_what_was_accepted_and_not_delivered_in_whatever_order_that_is_learnt(
    accepted: set[tuple[str, int]], unlucky: set[tuple[str, int]], random: Random
) -> None:
    ledger = Ledger()
    delivered = accepted - unlucky
    events = [(frame, True) for frame in sorted(accepted)] + [(frame, False) for frame in sorted(delivered)]
    random.shuffle(events)
    for (camera, sequence), is_receipt in events:
        if is_receipt:
            ledger.receipt(camera, "coded", sequence, 100)
        else:
            ledger.result(camera, sequence, 0.1)
    assert ledger.lost == len(accepted & unlucky)
    assert (ledger.coded, ledger.delivered) == (len(accepted), len(delivered))


def test_the_ledgers_line_has_every_count() -> None:
    ledger = Ledger()
    for sequence in range(1, 5):
        ledger.receipt("kitchen", "coded", sequence, 50 * sequence)
        ledger.result("kitchen", sequence, sequence / 10)
    ledger.receipt("kitchen", "coded", 5, 0)
    ledger.receipt("kitchen", "not_wanted", 0, 0)
    assert ledger.line() == (
        "6 posted, 5 coded, 1 not wanted, 4 delivered, 1 lost, 100.0 bytes a frame, delay p50 250 ms p95 385 ms"
    )


def test_rates_and_delays_are_of_the_window_and_a_silent_camera_says_so() -> None:
    now = 0.0
    watching = Watching(lambda: now, lambda: round(now * 1e6) + 200_000)
    for step in range(20):
        now = float(step)
        watching.add(result(sequence=step, time_us=round(now * 1e6)))
    (view,) = watching.views()
    assert view.frames == 20
    assert view.bytes_per_frame == 100
    assert view.kilobits_per_second == pytest.approx(0.8, rel=0.15), "100 bytes a second"
    assert view.delay_seconds == pytest.approx(0.2)
    assert view.state == "live"
    now += SILENT_SECONDS + 1
    assert watching.views()[0].state == "silent for 6 s"
    now += WINDOW_SECONDS
    (view,) = watching.views()
    assert (view.kilobits_per_second, view.delay_seconds) == (0, None)


def test_the_words_of_the_last_result_that_had_some_stay_and_errors_go() -> None:
    watching = Watching()
    watching.add(result("kitchen", 1, scene("living_room", 0.834)))
    watching.add(result("kitchen", 2, error="damaged"))
    (view,) = watching.views()
    assert (view.scene, view.state) == ("living room 83%", "not decoded")
    watching.add(result("kitchen", 3, scene("kitchen", 0.5)))
    (view,) = watching.views()
    assert (view.scene, view.state) == ("kitchen 50%", "live")


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


def test_a_saved_result_can_be_read_again(tmp_path: Path) -> None:
    normals = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 2, 2)
    given_result = result(
        "kitchen", 7, scene("kitchen", 0.75), TensorResult("normal", normals), PictureResult("reshading", b"png", 4, 3)
    )
    save(tmp_path, given_result)
    assert np.array_equal(np.load(tmp_path / "kitchen/7.normal.npy"), normals)
    assert (tmp_path / "kitchen/7.reshading.png").read_bytes() == b"png"
    document = json.loads((tmp_path / "kitchen/7.json").read_text())
    assert document["classes"]["class_scene"][0] == {"index": 3, "label": "kitchen", "probability": 0.75}
    assert document["geometry"]["picture_width"] == 640
    assert sorted(document["files"]) == ["7.normal.npy", "7.reshading.png"]
    assert [path.name for path in files_of(tmp_path, given_result)][-1] == "7.json", "complete once the JSON is there"


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    for camera in ("..", "."):
        for path in files_of(tmp_path, result(camera, 1)):
            assert path.resolve().parent.parent == tmp_path.resolve()
            assert path.resolve().parent != tmp_path.resolve()
    with pytest.raises(BadName):
        files_of(tmp_path, result("kitchen", 1, PictureResult("../../x", b"", 1, 1)))
    with pytest.raises(BadName):
        files_of(tmp_path, result("a/b", 1))
