"""Which of Taskonomy's views are chosen, and what is kept of their labels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from experiments.suites.suite import COMPLETE, FeatureWriter
from experiments.suites.taskonomy_features import LABEL_FILES, ChosenViews, seen_sample, unseen_sample
from tests.support.taskonomy import KITCHEN, LAYOUTS, file_of, stored_labels, write, write_world
from training.datasets.frame import DataError


@pytest.fixture
def world(tmp_path: Path) -> Path:
    return write_world(tmp_path / "taskonomy")


def test_the_choice_is_random_and_the_same_every_time(world: Path) -> None:
    chosen = ChosenViews.at_random(world, "fit", 4)
    assert len(chosen) == len(set(chosen.names)) == 4
    assert chosen.indices == tuple(sorted(chosen.indices))
    assert chosen.names == ChosenViews.at_random(world, "fit", 4).names
    assert chosen.indices != (0, 1, 2, 3), "not the first ones"
    everything = ChosenViews.at_random(world, "fit", 1000)
    assert everything.indices == tuple(range(6))
    assert set(chosen.names) < set(everything.names)


def test_labels_of_fit_are_every_second_pixel_of_every_second_row(world: Path) -> None:
    fit = ChosenViews.at_random(world, "fit", 1)
    kept = seen_sample(fit, 0)
    frame = fit.dataset[fit.indices[0]]
    assert np.array_equal(kept.picture, frame.image)
    assert np.array_equal(fit.picture(0), frame.image)
    assert frame.segment_semantic is not None
    assert np.array_equal(kept.labels["segment_semantic"], frame.segment_semantic[::2, ::2])
    for name in ("normal", "reshading", "principal_curvature"):
        whole = getattr(frame, name)
        assert np.array_equal(kept.labels[name], whole[:, ::2, ::2]), name
    assert (int(kept.labels["class_scene"]), int(kept.labels["class_object"])) == (KITCHEN, frame.class_object)
    test = ChosenViews.at_random(world, "test", 1)
    assert seen_sample(test, 0).labels["normal"].shape == (3, 256, 256)
    assert unseen_sample(test, 0).labels["depth"].shape == (1, 256, 256)
    assert unseen_sample(fit, 0).labels["depth"].shape == (1, 128, 128)


def test_what_is_unknown_is_kept_as_unknown(world: Path) -> None:
    test = ChosenViews.at_random(world, "test", 1)
    view = test.names[0].split("/")[1]
    for label in stored_labels(0):
        path = file_of(world, LAYOUTS[0], "mcdade", view, label)
        if not label.startswith(("rgb", "reshading")):
            path.unlink()
    sample = seen_sample(test, 0)
    assert (int(sample.labels["class_scene"]), int(sample.labels["class_object"])) == (-1, -1)
    assert (sample.labels["segment_semantic"] == 255).all()
    for name, channels in (("normal", 3), ("principal_curvature", 2)):
        assert sample.labels[name].shape == (channels, 256, 256)
        assert np.isnan(sample.labels[name]).all()
    assert np.isfinite(sample.labels["reshading"]).all()
    assert np.isnan(unseen_sample(test, 0).labels["depth"]).all()


def test_holes_of_the_mesh_are_unknown_in_depth_and_geometry(world: Path) -> None:
    test = ChosenViews.at_random(world, "test", 1)
    view = test.names[0].split("/")[1]
    stored = np.full((32, 32), 1024, np.uint16)
    stored[:16] = 65535
    write(file_of(world, LAYOUTS[0], "mcdade", view, "depth_zbuffer depth_zbuffer.png"), stored)
    depth, normal = unseen_sample(test, 0).labels["depth"], seen_sample(test, 0).labels["normal"]
    assert np.isnan(depth[:, :120]).all()
    assert depth[:, 140:] == pytest.approx(2.0)
    assert np.isnan(normal[:, :120]).all()
    assert np.isfinite(normal[:, 140:]).all()


def test_every_form_of_label_is_stored_as_it_is(world: Path, tmp_path: Path) -> None:
    sample = seen_sample(ChosenViews.at_random(world, "fit", 1), 0)
    writer = FeatureWriter(tmp_path / "kept", 1)
    for task, label in sample.labels.items():
        writer.put(f"label_{task}", 0, np.stack([label]))
    batch = writer.finish().batch(np.array([0]), (), tuple(sample.labels))
    assert batch.labels["class_scene"].tolist() == [KITCHEN]
    assert np.array_equal(batch.labels["segment_semantic"][0].numpy(), sample.labels["segment_semantic"])
    assert batch.labels["normal"][0].numpy() == pytest.approx(sample.labels["normal"], abs=1e-3)
    assert (tmp_path / "kept" / COMPLETE).exists()


@pytest.mark.parametrize("task", LABEL_FILES)
def test_a_task_without_any_label_names_what_to_download(world: Path, task: str) -> None:
    chosen = ChosenViews.at_random(world, "validation", 2)
    chosen.require_labels(tuple(LABEL_FILES))
    domain, _ = LABEL_FILES[task]
    files = list((world / domain / "taskonomy" / "darden").iterdir())
    assert files
    for path in files:
        path.unlink()
    with pytest.raises(
        DataError, match=f"2 chosen views of validation .* label of {task}: download the domain {domain}"
    ):
        chosen.require_labels(tuple(LABEL_FILES))
