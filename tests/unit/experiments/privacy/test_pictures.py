"""The attacker's pictures: views that are the same every time, and none of a judged room."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.privacy.pictures import HOUSE_VIEWS, JUDGED, ROOM_VIEWS, sources_of, views_of
from tests.support.experiments import HOUSES, RUN_FRAMES, SAMPLES, TEST, TRAIN, sources, write_data, write_samples
from training.datasets import nyuv2


def test_views_depend_on_source_and_number_alone() -> None:
    one = sources(1, 4)[0]
    assert np.array_equal(views_of(one, 3), views_of(one, 3))
    views = views_of(one, 3)
    assert views.shape == (4, 256, 256, 3)
    assert not np.array_equal(views[1], views_of(one, 4)[1])
    assert np.array_equal(views[0], views_of(one, 4)[0]), "the first view is the whole picture, whatever the seed"


def test_no_judged_picture_is_trained_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nyuv2, "VALIDATION_RUN_FRAMES", RUN_FRAMES)
    found = sources_of(write_data(tmp_path / "data"), write_samples(tmp_path / "samples"))
    names = {split: {source.name for source in of} for split, of in found.items()}
    assert len(names["test"]) == TEST
    assert len(names["samples"]) == SAMPLES
    assert len(names["validation"]) == TRAIN // 8
    assert len(names["fit"]) == TRAIN - TRAIN // 8 + HOUSES
    for split in JUDGED:
        assert not names[split] & names["fit"]
        assert all(source.views == 1 for source in found[split])
    assert {source.views for source in found["fit"]} == {ROOM_VIEWS, HOUSE_VIEWS}
