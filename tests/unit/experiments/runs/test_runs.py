"""What a run is called, and the sizes of its codec."""

from __future__ import annotations

from dataclasses import replace

import pytest

from experiments.runs.runs import Run, spec_of
from experiments.suites.suite import Suite
from shared.model.tasks import TASKS_OF_GROUP
from tests.support.experiments import OpenSmallSuite


@pytest.fixture(scope="module")
def suite(tmp_path_factory: pytest.TempPathFactory) -> Suite:
    return OpenSmallSuite(tmp_path_factory.mktemp("suite"))()


def test_every_difference_between_runs_shows_in_the_key() -> None:
    run = Run.of("codebook", "normal", "reshading")
    others = [
        Run.of("hyperprior", "normal", "reshading"),
        Run.of("codebook", "normal"),
        Run("codebook", ("normal", "reshading"), ("normal",)),
        replace(run, seed=1),
        replace(run, steps=7),
        replace(run, changes=(("codebook_size", 4),)),
        replace(run, mimic=False),
        replace(run, validation_only=True),
    ]
    keys = [run.key, *(other.key for other in others)]
    assert len(set(keys)) == len(keys)
    assert all("/" not in key for key in keys)


def test_a_codec_has_the_latents_of_its_tasks(suite: Suite) -> None:
    semantic = spec_of(suite, Run.of("codebook", *TASKS_OF_GROUP["semantic"]))
    assert (semantic.channels, semantic.vector_scene, semantic.vector_object) == (24, 16, 48)
    assert semantic.dense_tasks == ("segment_semantic",)
    assert spec_of(suite, Run.of("codebook", *TASKS_OF_GROUP["geometry"])).channels == 40
    scene = spec_of(suite, Run.of("codebook", "class_scene"))
    assert (scene.channels, scene.vector_scene, scene.vector_object) == (0, 16, 0)
    assert scene.side_information < semantic.side_information


def test_a_changed_size_is_taken(suite: Suite) -> None:
    run = replace(Run.of("codebook", "normal"), changes=(("codebook_size", 64),))
    assert spec_of(suite, run).codebook_size == 64
