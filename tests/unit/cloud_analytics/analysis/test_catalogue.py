"""The catalogue: what is served, what is refused, and what comes while the service runs."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from cloud_analytics.analysis.batcher import BatchInput, run_batch
from cloud_analytics.analysis.overlays import load_overlay, zero_latents
from shared.contract.descriptions import TaskInfo
from shared.errors import BundleError, BundleMismatch, UnknownName
from shared.model.bundle import Bundle
from tests.support.bundles import write_overlay
from tests.support.cloud import catalogue_of, metrics, value

DEPTH = TaskInfo("depth", "geometry", "1,H,W", "float32", "m", overlay=True)


@pytest.fixture
def models(tmp_path: Path, tiny_bundle_directory: Path) -> Path:
    shutil.copytree(tiny_bundle_directory, tmp_path / "tiny" / "1")
    return tmp_path


def test_a_broken_bundle_is_skipped_counted_once_and_tried_again_when_it_changes(models: Path) -> None:
    shutil.copytree(models / "tiny" / "1", models / "half" / "1")
    head = models / "half" / "1" / "heads" / "normal.onnx"
    content = head.read_bytes()
    head.write_bytes(content[:-1])
    counted = metrics()
    catalogue = catalogue_of(models, counted)
    assert [catalogue.scan() for _ in range(3)] == [True, False, False]
    assert len(catalogue.served) == 1
    assert value(counted, "taxon_cloud_bundles_refused_total") == 1
    manifest = models / "half" / "1" / "manifest.json"
    text = manifest.read_text().replace('"version": "1"', '"version": "2"')
    manifest.write_text(text)
    head.write_bytes(content)
    assert catalogue.scan()
    assert {one.state().version for one in catalogue.served.values()} == {"1", "2"}


def test_an_unknown_digest_names_both_sides(models: Path, tiny_bundle: Bundle) -> None:
    catalogue = catalogue_of(models, metrics())
    with pytest.raises(BundleMismatch, match="this cloud serves none"):
        catalogue.with_digest(tiny_bundle.digest)
    catalogue.scan()
    assert catalogue.with_digest(tiny_bundle.digest).bundle.digest == tiny_bundle.digest
    with pytest.raises(BundleMismatch) as caught:
        catalogue.with_digest(bytes(32))
    assert bytes(32).hex() in str(caught.value)
    assert tiny_bundle.digest.hex() in str(caught.value)


def test_a_head_beside_the_bundle_comes_changes_and_goes(models: Path, tiny_bundle: Bundle) -> None:
    catalogue = catalogue_of(models, metrics())
    catalogue.scan()
    with pytest.raises(UnknownName):
        catalogue.require_tasks(("depth",))
    folder = models / "tiny" / "1.overlay"
    folder.mkdir()
    path = write_overlay(folder, tiny_bundle.digest)
    assert catalogue.scan()
    catalogue.require_tasks(("depth", "normal"))
    served = catalogue.with_digest(tiny_bundle.digest)
    assert served.tasks["depth"] == DEPTH
    assert served.groups_of(frozenset({"depth"})) == {"geometry"}
    assert not catalogue.scan(), "nothing has changed"
    write_overlay(folder, tiny_bundle.digest, unit="mm")
    assert catalogue.scan()
    assert catalogue.with_digest(tiny_bundle.digest).tasks["depth"].unit == "mm"
    path.unlink()
    assert catalogue.scan()
    assert "depth" not in catalogue.tasks
    assert "normal" in catalogue.tasks


def test_its_results_are_the_graph_s_of_the_decoder_s_features(models: Path, tiny_bundle: Bundle) -> None:
    folder = models / "tiny" / "1.overlay"
    folder.mkdir()
    write_overlay(folder, tiny_bundle.digest)
    catalogue = catalogue_of(models, metrics())
    catalogue.scan()
    served = catalogue.with_digest(tiny_bundle.digest)
    latents = zero_latents(served.decoder, "geometry", 3)
    latents.z[:] = np.random.default_rng(3).integers(-3, 4, latents.z.shape)
    wanted = (frozenset({"depth"}), frozenset({"normal"}), frozenset({"depth", "reshading"}))
    frames = [BatchInput(served, {"geometry": latents.frame(i)}, tasks) for i, tasks in enumerate(wanted)]
    made = run_batch(frames, lambda task, count: None)
    assert [set(values) for values in made] == list(wanted)
    features = served.decoder.features("geometry", latents, ["reshading"])["reshading"]
    for place in (0, 2):
        depth, mean = made[place]["depth"], features[place].mean(axis=0)
        assert depth.shape == (1, 32, 32)
        # Where a source pixel's centre lies, between the four middle ones of its eight by eight, they average to it.
        middle = depth[0].reshape(4, 8, 4, 8)[:, 3:5, :, 3:5].mean(axis=(1, 3))
        assert np.allclose(middle[1:3, 1:3], mean[1:3, 1:3], atol=0.1 * np.ptp(mean))
    assert not np.array_equal(made[0]["depth"], made[2]["depth"])


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"bundle_digest": "00" * 32}, "was made for the bundle 0000"),
        ({"bundle_digest": ""}, "lacks 'bundle_digest'"),
        ({"group": "acoustics"}, "unknown task group acoustics"),
        ({"group": "semantic"}, "heads of semantic can take feature_class_scene"),
        ({"shape": "2,H,W"}, "gives float32 \\(1, 1, 32, 32\\), its metadata says"),
        ({"shape": "1,H,Z"}, "metadata cannot be used"),
        ({"dtype": "uint8"}, "gives float32"),
        ({"dtype": "object"}, "dtype must be one of"),
        ({"labels": "{"}, "metadata cannot be used"),
        ({"task": "other"}, "not the file's name"),
    ],
)
def test_a_head_that_does_not_keep_to_its_word_is_refused(
    models: Path, tmp_path: Path, tiny_bundle: Bundle, changes: dict[str, str], told: str
) -> None:
    catalogue = catalogue_of(models, metrics())
    catalogue.scan()
    decoder = catalogue.with_digest(tiny_bundle.digest).decoder
    folder = tmp_path / "heads"
    folder.mkdir()
    with pytest.raises(BundleError, match=told):
        load_overlay(write_overlay(folder, tiny_bundle.digest, **changes), decoder)


def test_a_head_cannot_take_the_place_of_the_bundle_s_own(models: Path, tiny_bundle: Bundle) -> None:
    folder = models / "tiny" / "1.overlay"
    folder.mkdir()
    write_overlay(folder, tiny_bundle.digest, "normal")
    counted = metrics()
    catalogue = catalogue_of(models, counted)
    catalogue.scan()
    assert value(counted, "taxon_cloud_bundles_refused_total") == 1
    assert not catalogue.with_digest(tiny_bundle.digest).overlays
