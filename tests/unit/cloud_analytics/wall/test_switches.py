"""The plan of a wall's subscriptions asks for exactly what the switches say."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloud_analytics.wall.switches import Plan, Tasks, Wants, plan

tasks = st.frozensets(st.sampled_from(["scene", "object", "segmentation", "normal"]))
cameras = st.sampled_from(["kitchen", "door", "garden", "hall"])
wants = st.builds(Wants, tasks, st.dictionaries(cameras, tasks))


@given(wants, st.frozensets(cameras), tasks)
def test_of_every_known_camera_exactly_its_switches_are_asked_for(
    wanted: Wants, known: frozenset[str], offered: Tasks
) -> None:
    made = plan(wanted, known, offered)
    for camera in known:
        single = made.of_single.get(camera, frozenset())
        assert made.of_all | single == wanted.of(camera) & offered
        assert not made.of_all & single, "no task is asked for twice"
    assert made.of_single.keys() <= known
    assert all(made.of_single.values()), "no empty wishes"
    assert made.of_all <= wanted.of_new_cameras, "a camera to come gives no more than is wanted of new ones"


@given(tasks, st.frozensets(cameras))
def test_switches_that_agree_need_one_wish(on: Tasks, known: frozenset[str]) -> None:
    assert plan(Wants(on, dict.fromkeys(known, on)), known, on) == Plan(on, {})
