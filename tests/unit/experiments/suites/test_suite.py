"""Feature sets: what is written is what is read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from experiments.suites.suite import COMPLETE, FeatureSet, FeatureWriter


def test_what_is_written_is_read(tmp_path: Path) -> None:
    writer = FeatureWriter(tmp_path, 4)
    feature = np.linspace(-1, 1, 32, dtype=np.float32).reshape(4, 8)
    writer.put("feature_class_scene", 0, feature[:3])
    writer.put("feature_class_scene", 3, feature[3:])
    writer.put("label_class_scene", 0, np.array([0, 1, -1, 9], np.int16))
    writer.finish()
    batch = FeatureSet(tmp_path).batch(np.array([1, 3]), ("class_scene",), ("class_scene", "normal"))
    assert torch.allclose(batch.features["class_scene"], torch.from_numpy(feature[[1, 3]]), atol=1e-3)
    assert batch.labels["class_scene"].tolist() == [1, 9]
    assert batch.labels["class_scene"].dtype == torch.int64
    assert "normal" not in batch.labels, "a task without labels here has none"


def test_an_interrupted_set_does_not_count_as_written(tmp_path: Path) -> None:
    FeatureWriter(tmp_path, 1).put("feature_normal", 0, np.zeros((1, 8, 2, 2), np.float32))
    assert not (tmp_path / COMPLETE).exists()


def test_sets_of_other_frames_are_not_joined(tmp_path: Path) -> None:
    sets = []
    for name, frames in (("a", 2), ("b", 2), ("c", 3)):
        writer = FeatureWriter(tmp_path / name, frames)
        writer.put(f"feature_{name}", 0, np.zeros((frames, 4), np.float32))
        sets.append(writer.finish())
    joined = sets[0].with_arrays_of(sets[1])
    assert set(joined.arrays) == {"feature_a", "feature_b"}
    assert set(sets[0].arrays) == {"feature_a"}
    with pytest.raises(ValueError, match="not of the same frames"):
        sets[0].with_arrays_of(sets[2])
