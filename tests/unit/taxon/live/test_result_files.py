"""Saved results: what is in the files, and that no name leads elsewhere."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shared.contract.geometry import Crop, Geometry
from shared.errors import BadName
from taxon.client import PictureResult, TensorResult
from taxon.commands.watch import files_of, save
from tests.unit.taxon.live.some_results import result, scene


def test_a_saved_result_can_be_read_again(tmp_path: Path) -> None:
    normals = np.linspace(-1, 1, 12, dtype=np.float32).reshape(3, 2, 2)
    given_result = result(
        "kitchen", 7, scene("kitchen", 0.75), TensorResult("normal", normals), PictureResult("reshading", b"png", 4, 3)
    )
    save(tmp_path, given_result)
    assert np.array_equal(np.load(tmp_path / "kitchen/7.normal.npy"), normals)
    assert (tmp_path / "kitchen/7.reshading.png").read_bytes() == b"png"
    document = json.loads((tmp_path / "kitchen/7.json").read_text())
    assert document["classes"]["class_scene"][0] == {"index": 3, "label": "kitchen", "probability": 0.75}
    assert document["geometry"]["picture_width"] == 640
    assert sorted(document["files"]) == ["7.normal.npy", "7.reshading.png"]
    assert [path.name for path in files_of(tmp_path, given_result)][-1] == "7.json", "complete once the JSON is there"


def test_a_saved_result_says_which_part_of_the_picture_it_is_of(tmp_path: Path) -> None:
    crop = Crop(40, 30, 200, 100)
    cropped = replace(result("kitchen", 7), geometry=Geometry(640, 480, 256, 256, crop))
    save(tmp_path, cropped)
    save(tmp_path, result("kitchen", 8))
    found = [json.loads((tmp_path / f"kitchen/{number}.json").read_text())["geometry"] for number in (7, 8)]
    assert found[0]["crop"] == {"x": 40, "y": 30, "width": 200, "height": 100}
    assert found[1]["crop"] is None


def test_no_name_leads_out_of_the_folder(tmp_path: Path) -> None:
    for camera in ("..", "."):
        for path in files_of(tmp_path, result(camera, 1)):
            assert path.resolve().parent.parent == tmp_path.resolve()
            assert path.resolve().parent != tmp_path.resolve()
    with pytest.raises(BadName):
        files_of(tmp_path, result("kitchen", 1, PictureResult("../../x", b"", 1, 1)))
    with pytest.raises(BadName):
        files_of(tmp_path, result("a/b", 1))
