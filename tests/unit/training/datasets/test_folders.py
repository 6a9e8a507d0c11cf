"""Data folders are recognised by what they hold, and refused with a reason."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from training.datasets import DataError, open_dataset
from training.datasets.nyuv2 import VALIDATION_EVERY, VALIDATION_RUN_FRAMES


def save(path: Path, array: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)


@pytest.fixture
def rooms(tmp_path: Path) -> Path:
    """A small folder in NYUv2's form: 208 training frames of which one is complete, and one test frame."""
    train = VALIDATION_RUN_FRAMES * VALIDATION_EVERY + 8
    lines = ["index,split,scene,scene10,scene_label_source"]
    lines += [f"{i:04d},train,kitchen,kitchen,inferred" for i in range(train)] + [
        f"{train:04d},test,office,office,official"
    ]
    (tmp_path / "index.csv").write_text("\n".join(lines))
    (tmp_path / "classes.json").write_text(json.dumps({"label40_to_label13": {"1": 12, "2": 5, "4": 1}}))
    name = f"{train:04d}"
    label = np.zeros((426, 560), np.uint8)
    label[:200], label[200:300], label[300:400] = 1, 2, 4
    save(tmp_path / "rgb" / f"{name}.jpg", np.full((426, 560, 3), 90, np.uint8))
    save(tmp_path / "depth" / f"{name}.png", np.full((426, 560), 50, np.uint8))
    save(tmp_path / "label40" / f"{name}.png", label)
    return tmp_path


def test_a_room_carries_every_label(rooms: Path) -> None:
    frame = open_dataset(rooms, "test")[0]
    assert frame.image.shape == (256, 256, 3)
    assert frame.class_scene == 8
    assert frame.class_object is None
    assert frame.segment_semantic is not None
    assert set(np.unique(frame.segment_semantic)) == {0, 4, 11, 255}
    assert frame.normal is not None
    assert np.allclose(np.linalg.norm(frame.normal, axis=0), 1, atol=1e-5)
    # a wall straight ahead
    assert np.allclose(frame.normal[2], 1, atol=1e-5)


def test_fit_and_validation_part_the_training_frames(rooms: Path) -> None:
    fit, validation = open_dataset(rooms, "fit"), open_dataset(rooms, "validation")
    assert len(validation) == VALIDATION_RUN_FRAMES
    assert len(fit) + len(validation) == len(open_dataset(rooms, "train"))


def photos(folder: Path, lines: list[str]) -> Path:
    for i in range(4):
        save(folder / f"{i}.jpg", np.full((40, 30, 3), 40 * i, np.uint8))
    (folder / "labels.csv").write_text("\n".join(lines))
    return folder


def test_labelled_photos_hold_out_every_third(tmp_path: Path) -> None:
    root = photos(tmp_path, ["file,class_index", "0.jpg,5", "1.jpg,6", "2.jpg,7", "3.jpg,8"])
    test = open_dataset(root, "test")
    assert [test[i].class_object for i in range(len(test))] == [7]
    assert len(open_dataset(root, "train")) == 3
    assert len(open_dataset(root, "all")) == 4


def test_a_split_column_decides(tmp_path: Path) -> None:
    root = photos(tmp_path, ["file,class_index,split", "0.jpg,5,test", "1.jpg,6,train"])
    assert open_dataset(root, "test")[0].class_object == 5


@pytest.mark.parametrize(
    "lines", [["file,class_index", "0.jpg,1000"], ["file,class_index", "0.jpg,cat"], ["name,class", "0.jpg,1"]]
)
def test_bad_label_files_are_refused(tmp_path: Path, lines: list[str]) -> None:
    with pytest.raises(DataError, match=r"labels\.csv"):
        open_dataset(photos(tmp_path, lines), "all")


def test_a_missing_folder_and_an_unknown_one_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="there is no data folder"):
        open_dataset(tmp_path / "nowhere", "test")
    with pytest.raises(DataError, match="is none of"):
        open_dataset(tmp_path, "test")


def test_an_unknown_split_is_named(rooms: Path) -> None:
    with pytest.raises(DataError, match="'holdout'"):
        open_dataset(rooms, "holdout")
