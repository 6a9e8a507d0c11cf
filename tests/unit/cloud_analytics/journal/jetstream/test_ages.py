from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from cloud_analytics.journal.jetstream.ages import MARKS, StreamAges


@given(st.lists(st.tuples(st.floats(0, 200), st.integers(0, 5)), max_size=60))
def test_a_frame_goes_when_it_was_seen_for_its_age_and_never_before(happened: list[tuple[float, int]]) -> None:
    now = [0.0]
    ages = StreamAges(100.0, lambda: now[0])
    seen_at: list[float] = []
    for seconds, frames in happened:
        now[0] += seconds
        seen_at += [now[0]] * frames
        last = ages.too_old(len(seen_at))
        assert all(now[0] - at >= 100.0 for at in seen_at[:last])
        ages_after = [now[0] - at for at in seen_at[last:]]
        assert all(age < 100.0 + 200.0 + 2 * 100.0 / MARKS for age in ages_after)
