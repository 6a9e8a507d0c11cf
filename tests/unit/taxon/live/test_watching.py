"""The state of each camera, from the results as they come."""

from __future__ import annotations

import pytest

from taxon.live.screen import SILENT_SECONDS, WINDOW_SECONDS, Watching
from tests.unit.taxon.live.some_results import result, scene


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
