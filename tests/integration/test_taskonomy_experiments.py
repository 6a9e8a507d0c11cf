"""The experiments on Taskonomy: its folders, its published networks at full size with patterned weights, few frames and steps."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch

from experiments.codecs.picture_codecs import HevcIntra
from experiments.runs import runs, unseen
from experiments.runs.measure import original_figures
from experiments.runs.runs import RunTraining
from experiments.runs.setup import Setup
from experiments.suites.suite import Suite
from experiments.suites.taskonomy import FrameCounts, OpenTaskonomy
from experiments.table1 import collect as table1
from experiments.table4 import collect as table4
from tests.support.taskonomy import KITCHEN, write_all_networks, write_world

pytestmark = pytest.mark.starts_training

STEPS = 1


@pytest.fixture(scope="module")
def opener(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenTaskonomy]:
    data = write_world(tmp_path_factory.mktemp("data") / "taskonomy")
    np.save(data / "semseg_prior_factor.npy", np.linspace(0.5, 2.0, 17))
    weights = write_all_networks(tmp_path_factory.mktemp("weights"))
    frames = FrameCounts(fit=2, validation=1, test=1)
    yield OpenTaskonomy(data, weights, tmp_path_factory.mktemp("work"), "cpu", True, frames)
    # half a gigabyte, which pytest would keep for three more runs
    shutil.rmtree(weights)


@pytest.fixture(scope="module")
def suite(opener: OpenTaskonomy) -> Suite:
    return opener()


@pytest.fixture(scope="module")
def results(suite: Suite, opener: OpenTaskonomy) -> dict[str, Any]:
    """What tables 1 and 4 leave in their files; one quality of one picture codec, two of IDFC."""
    setup = Setup(suite, opener, "cpu", seeds=1, steps=STEPS, workers=1)
    with pytest.MonkeyPatch.context() as patch:
        for module in (runs, unseen):
            patch.setattr(module, "RunTraining", partial(RunTraining, batch=2))
        patch.setattr(runs, "PRICES", (4e-3, 7e-5))
        patch.setattr(table1, "IDFC_QPS", (51, 26))
        patch.setattr(table4, "PICTURE_CODECS", ((HevcIntra(), (30,)),))
        return {"table1": table1.collect(setup), "table4": table4.collect(setup)}


def test_the_suite_holds_features_and_labels_of_every_task(suite: Suite) -> None:
    assert (len(suite.fit), len(suite.validation), len(suite.test)) == (2, 1, 1)
    assert suite.vectors == {}
    assert [len(tasks) for tasks in suite.groups.values()] == [3, 3]
    everything = suite.fit.batch(np.arange(2), tuple(suite.tasks), tuple(suite.tasks))
    for name, task in suite.tasks.items():
        feature, label = everything.features[name], everything.labels[name]
        assert feature.shape == (2, 8, 16, 16)
        assert float(feature.mean()) == pytest.approx(0.0, abs=1e-2), "features are on the codec's scale"
        assert float(feature.std()) == pytest.approx(1.0, abs=1e-2)
        if task.kind != "class":
            assert label.shape[-2:] == (128, 128)
            assert suite.test.arrays[f"label_{name}"].shape[-2:] == (256, 256)
    assert everything.labels["class_scene"].tolist() == [KITCHEN] * 2
    assert everything.originals == {}


def test_the_heads_give_what_the_original_networks_give(suite: Suite) -> None:
    found = suite.analyse(np.stack(suite.pictures("test")))
    feature = suite.test.batch(np.arange(1), tuple(suite.tasks), ()).features
    for name, task in suite.tasks.items():
        raw = suite.heads[name](feature[name])
        assert raw.shape == ((1, task.outputs) if task.kind == "class" else (1, task.outputs, 256, 256))
        # features are kept as float16
        assert float((raw - found[name]).abs().max()) < 0.02 * float(found[name].abs().max()), name


def test_tables_1_and_4_come_out(suite: Suite, results: dict[str, Any]) -> None:
    json.dumps(results)
    first = results["table1"]
    assert first["suite"] == "taskonomy"
    assert first["frames"] == {"fit": 2, "validation": 1, "test": 1}
    assert {"miou", "pixel_accuracy", "non_background_accuracy", "cross_entropy"} <= set(first["original"]["test"])
    for scheme in table1.SCHEMES:
        assert all(point["coded_bytes"] > 0 for point in first["schemes"][scheme][0]["test"])
    fourth = results["table4"]["unseen"]
    assert set(fourth) == {"class_object", "reshading", "depth"}, "40-class segmentation does not exist here"
    for task, found in fourth.items():
        assert found["figure"] in found["original"]
        for representation in found["representations"].values():
            assert task not in representation["supervised_tasks"]
            assert len(representation["test"]) == 2


def test_depth_is_judged_in_metres(suite: Suite, results: dict[str, Any]) -> None:
    figures = original_figures(suite, "test", ("depth",), "cpu")["depth"]
    metres = np.asarray(suite.test.arrays["label_depth"], np.float32)
    assert 1 <= np.nanmin(metres) <= np.nanmax(metres) < 8
    assert figures["constant_l1"] == pytest.approx(np.nanmean(np.abs(metres - np.nanmedian(metres))), abs=0.02)
    [point] = results["table4"]["pictures"][HevcIntra().name]
    assert point["figures"]["depth"]["l1"] > 0


def test_a_suite_that_was_opened_is_read_again_without_encoders(
    suite: Suite, opener: OpenTaskonomy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.suites.published.load_encoder", lambda path: pytest.fail(f"read {path} again"))
    again = opener()
    assert (again.folder, again.networks_sha256) == (suite.folder, suite.networks_sha256)
    assert torch.equal(*(one.heads["class_scene"](torch.ones(1, 8, 16, 16)) for one in (suite, again)))
    assert (suite.folder / "test" / "views.txt").read_text().startswith("mcdade/point_")
