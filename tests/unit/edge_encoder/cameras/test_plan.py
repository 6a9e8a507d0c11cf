"""A camera's plan: what is taken, what is refused and how, and that its table says the same as it does."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_encoder.cameras.plan import CameraPlan, changed_plan, plan_of, table_of
from edge_encoder.encoding.view import WHOLE_PICTURE, View
from shared.errors import BadRequest

numbers = st.floats(0.001, 1000, allow_nan=False)
plans = st.builds(
    CameraPlan,
    camera_id=st.sampled_from(["hall", "door", "porch"]),
    source=st.none() | st.sampled_from(["rtsp://u:p@10.0.0.7/1", "a folder", "webcam:/dev/video0"]),
    fps=st.none() | numbers,
    paused=st.booleans(),
    most_fps=st.none() | numbers,
    queue_policy=st.none() | st.sampled_from(["newest", "all"]),
    budget_kbps=st.none() | numbers,
    rate=st.none() | st.integers(0, 15),
    view=st.sampled_from(
        [WHOLE_PICTURE, View((0.0, 0.25, 1.0, 0.5)), View(None, (((0.0, 0.0), (1.0, 0.0), (0.5, 1.0)),))]
    ),
)


@given(plans)
def test_the_table_of_a_plan_is_read_as_the_same_plan(plan: CameraPlan) -> None:
    assert plan_of(plan.camera_id, table_of(plan)) == plan


@given(plans, plans)
def test_a_change_takes_what_it_names_and_leaves_the_rest(plan: CameraPlan, other: CameraPlan) -> None:
    changed = changed_plan(plan, table_of(other))
    assert table_of(changed) == table_of(plan) | table_of(other)
    assert table_of(changed_plan(plan, dict.fromkeys(table_of(plan)))) == {}


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"sorce": "x"}, "sorce: is no setting of a camera; they are source, fps"),
        ({"camera_id": "door"}, "camera_id: is no setting of a camera"),
        ({"fps": 0}, "fps: input should be greater than 0"),
        ({"fps": float("nan")}, "fps: input should be a finite number"),
        ({"fps": "5"}, "fps: input should be a valid number"),
        ({"fps": True}, "fps: input should be a valid number"),
        ({"most_fps": -1}, "most_fps: "),
        ({"most_fps": 1e9}, "most_fps: "),
        ({"rate": 1.5}, "rate: input should be a valid integer"),
        ({"rate": 16}, "rate: "),
        ({"queue_policy": "oldest"}, "queue_policy: input should be 'newest' or 'all'"),
        ({"view": {"crop": [0, 0, 2, 2]}}, "lies within it"),
        ({"view": "all"}, "a view is a table"),
        ({"paused": "yes"}, "paused: input should be a valid boolean"),
        ({"budget_kbps": 0}, "budget_kbps: "),
        ({"source": ""}, "source: "),
        ({"source": "a\nb"}, "source: must be a folder, file, URL or device"),
        ({"source": "rtsp://u:" + "pa55" * 2000}, "source: "),
        ({"source": 5}, "source: "),
        ({"fps": 0, "rate": 99}, "; rate: "),
    ],
)
def test_an_impossible_table_is_refused_by_name_and_never_repeated(table: dict[str, Any], said: str) -> None:
    with pytest.raises(BadRequest) as refused:
        plan_of("hall", table)
    assert said in str(refused.value)
    assert "pa55" not in str(refused.value)


def test_a_plan_in_a_log_shows_no_source() -> None:
    assert "pa55" not in repr(CameraPlan("hall", source="rtsp://u:pa55@10.0.0.7/1"))
