"""`taxon evaluate` on labelled photos, and on data that is missing or makes no sense.

What is refused ends in one line on stderr for each refused input, a non-zero exit status, and not a byte written.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from shared.model.bundle import Bundle
from tests.support.bundles import write_tiny_bundle
from tests.support.pictures import room
from tests.support.services import taxon

pytestmark = pytest.mark.starts_process


@pytest.fixture(scope="module")
def bundle_256(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle at the data sets' frame size."""
    directory = tmp_path_factory.mktemp("models") / "tiny" / "256"
    write_tiny_bundle(directory, scale=8)
    return directory


@pytest.fixture
def labelled_photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    lines = ["file,class_index,split"]
    for number in range(3):
        room(96 + number, 64).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{number},test")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_evaluate_measures_rates_and_object_classes_of_labelled_photos(bundle_256, labelled_photos, tmp_path):
    report = tmp_path / "figures.json"
    finished = taxon(
        "evaluate", "--data", labelled_photos, "--split", "test", "--rate", "all", "--json", report, bundle=bundle_256
    )
    assert (finished.status, finished.errors) == (0, ())
    document = json.loads(report.read_text())
    manifest = Bundle.load(bundle_256).manifest
    assert (document["frames"], document["lossless_frames"]) == (3, 3)
    indices = [point["rate_index"] for point in document["operating_points"]]
    assert indices[0] == manifest.default_rate
    assert sorted(indices) == [point.rate for point in manifest.operating_points]
    for point in document["operating_points"]:
        assert set(point["rate"]) == {*(group.name for group in manifest.groups), "total"}
        for rate in point["rate"].values():
            assert set(rate) == {"cross_entropy_bpp", "coded_bpp", "bytes_per_frame"}
            coded, cross_entropy = (256 * 256 * rate[figure] for figure in ("coded_bpp", "cross_entropy_bpp"))
            # A payload's length is known from its framing, which is why the coder can end a few bits early.
            assert 0 < cross_entropy - 16 <= coded <= 1.02 * cross_entropy + 16 * len(manifest.groups)
        assert set(point["tasks"]) == {"class_object"}
        assert 0 <= point["tasks"]["class_object"]["top1"] <= 1
        assert set(point["tasks"]["class_object"]["uncompressed"]) == {"top1"}
    assert "class_object" in finished.out


def test_evaluates_bytes_are_the_bytes_that_encode_writes(bundle_256, labelled_photos, tmp_path):
    report = tmp_path / "figures.json"
    assert (
        taxon(
            "evaluate", "--data", labelled_photos, "--split", "test", "--limit", 1, "--json", report, bundle=bundle_256
        ).status
        == 0
    )
    assert taxon("encode", labelled_photos / "0.png", "-o", tmp_path, bundle=bundle_256).status == 0
    total = json.loads(report.read_text())["operating_points"][0]["rate"]["total"]
    assert total["bytes_per_frame"] == len((tmp_path / "0.txn").read_bytes())


@pytest.mark.parametrize(
    ("data", "split", "said"),
    [("nowhere", "test", "nowhere"), ("photos", "dusk", "dusk"), ("empty", "test", "empty")],
)
def test_data_that_is_missing_is_named(bundle_256, labelled_photos, tmp_path, data, split, said):
    (tmp_path / "empty").mkdir()
    report = tmp_path / "figures.json"
    finished = taxon("evaluate", "--data", tmp_path / data, "--split", split, "--json", report, bundle=bundle_256)
    assert finished.status == 1
    assert len(finished.errors) == 1
    assert said in finished.errors[0]
    assert not report.exists()


@pytest.mark.parametrize(
    "labels", ["", "file\n0.png\n", "file,class_index\n0.png,chair\n", "file,class_index\n0.png,1000\n", "\x00"]
)
def test_labels_that_make_no_sense_are_refused(bundle_256, labelled_photos, labels):
    (labelled_photos / "labels.csv").write_text(labels)
    finished = taxon("evaluate", "--data", labelled_photos, "--split", "all", bundle=bundle_256)
    assert finished.status == 1
    assert len(finished.errors) == 1


def test_figures_that_could_not_be_written_are_not_computed(bundle_256, labelled_photos):
    finished = taxon(
        "evaluate", "--data", labelled_photos, "--split", "test", "--json", labelled_photos, bundle=bundle_256
    )
    assert finished.status == 1
    assert "it is a folder" in finished.errors[0]
    assert finished.out == ""


def test_a_photo_that_is_listed_but_missing_is_named(bundle_256, labelled_photos, tmp_path):
    (labelled_photos / "1.png").unlink()
    report = tmp_path / "figures.json"
    finished = taxon("evaluate", "--data", labelled_photos, "--split", "test", "--json", report, bundle=bundle_256)
    assert finished.status == 1
    assert "1.png" in finished.errors[0]
    assert not report.exists()


def test_the_installed_command_is_this_one(tmp_path):
    script = Path(sys.executable).with_name("taxon")
    done = subprocess.run([script, "--help"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert "evaluate" in done.stdout
