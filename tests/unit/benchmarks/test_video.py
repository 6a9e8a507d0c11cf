"""The comparison with video reads bytes at equal agreement, and its codecs show every frame that they were given."""

from __future__ import annotations

import numpy as np
import pytest

from benchmarks.video import CODECS, VideoCodec, bytes_at


@pytest.mark.parametrize(
    ("level", "expected"),
    [(0.4, "at most 100"), (0.5, "at most 100"), (0.7, "200"), (0.9, "400"), (0.95, "more than 400")],
)
def test_bytes_are_read_between_qualities_in_their_logarithm(level: float, expected: str) -> None:
    assert bytes_at([(100, 0.5), (400, 0.9)], level) == expected


def test_a_quality_that_agrees_less_than_a_cheaper_one_does_not_count() -> None:
    assert bytes_at([(100, 0.5), (150, 0.4), (400, 0.9)], 0.9) == "400"


@pytest.mark.parametrize("codec", CODECS, ids=lambda codec: codec.title)
def test_a_finer_quality_costs_bytes_and_is_nearer_to_the_frames(codec: VideoCodec) -> None:
    ramp = np.linspace(40, 200, 64, dtype=np.uint8)
    picture = np.stack([np.add.outer(ramp // 2, ramp // 2)] * 3, axis=-1)
    images = np.stack([np.roll(picture, shift, axis=1) for shift in range(4)])
    coarse, coarse_shown = codec.code(images, codec.qualities[0])
    fine, fine_shown = codec.code(images, codec.qualities[-1])
    assert coarse < fine
    errors = [float(np.abs(shown.astype(float) - images).mean()) for shown in (coarse_shown, fine_shown)]
    assert errors[1] < errors[0]
    assert errors[1] < 5
