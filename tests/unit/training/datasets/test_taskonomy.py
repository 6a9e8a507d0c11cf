"""Taskonomy's loader, on small files of the published layouts, names and encodings."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tests.support.taskonomy import KITCHEN, LAYOUTS, SPLITS, file_of, stored_labels, write, write_world
from training.datasets import DataError, open_dataset
from training.datasets.taskonomy import OBJECTS, SCENES, SEGMENTS, Taskonomy


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_world(tmp_path_factory.mktemp("taskonomy"))


@pytest.fixture
def one_view(tmp_path: Path) -> Path:
    """A data folder with a single view of mcdade, in the split `test`."""
    (tmp_path / "train_val_test_tiny.csv").write_text(SPLITS, newline="")
    for label, stored in stored_labels(5).items():
        write(file_of(tmp_path, LAYOUTS[2], "mcdade", "point_0_view_0", label), stored)
    return tmp_path


def label_file(root: Path, domain_and_ending: str) -> Path:
    return file_of(root, LAYOUTS[2], "mcdade", "point_0_view_0", domain_and_ending)


def test_splits_are_by_building_and_views_in_numerical_order(world: Path) -> None:
    train = Taskonomy(world, "train")
    assert [str(view) for view in train.views] == [
        f"{building}/{view}"
        for building in ("allensville", "beechwood")
        for view in ("point_2_view_0", "point_2_view_1", "point_10_view_0")
    ]
    assert len(train) == 6
    assert Taskonomy(world, "fit").views == train.views
    assert Taskonomy(world, "validation").views == Taskonomy(world, "val").views
    assert {view.building for view in Taskonomy(world, "val").views} == {"darden"}
    assert {view.building for view in Taskonomy(world, "test").views} == {"mcdade"}


def test_views_are_ordered_by_number_whatever_the_folders_order(one_view: Path) -> None:
    for point in range(40):
        (one_view / "mcdade" / "rgb" / f"point_{point}_view_0_domain_rgb.png").touch()
    (one_view / "mcdade" / "rgb" / "point_3_view_equirectangular_domain_rgb.png").touch()
    assert [view.point for view in Taskonomy(one_view, "test").views] == list(range(40))


@pytest.mark.parametrize("layout", LAYOUTS[1:])
def test_every_published_layout_gives_the_same_frames(world: Path, tmp_path: Path, layout: str) -> None:
    other = Taskonomy(write_world(tmp_path / "other", layout), "val")
    expected = Taskonomy(world, "val")
    assert other.views == expected.views
    for name, value in vars(expected[1]).items():
        assert np.array_equal(getattr(other[1], name), value), name


def test_a_frame_has_every_label_in_this_projects_form(world: Path) -> None:
    dataset = Taskonomy(world, "train")
    frame = dataset[4]
    assert frame.name == "beechwood/point_2_view_1"
    assert frame.image.shape == (256, 256, 3)
    assert (frame.class_scene, frame.class_object) == (KITCHEN, 8)
    assert frame.segment_semantic is not None
    assert frame.segment_semantic.dtype == np.uint8
    assert set(np.unique(frame.segment_semantic)) == {*range(17), 255}
    shapes = {"normal": (3, 256, 256), "reshading": (1, 256, 256), "principal_curvature": (2, 256, 256)}
    for name, shape in shapes.items():
        value = getattr(frame, name)
        assert (value.shape, value.dtype) == (shape, np.float32), name
    assert frame.normal is not None
    assert np.linalg.norm(frame.normal, axis=0) == pytest.approx(np.ones((256, 256)), abs=1e-5)
    assert frame.normal[2].min() > 0
    assert frame.principal_curvature is not None
    assert (frame.principal_curvature[0] >= frame.principal_curvature[1]).all()
    assert np.abs(frame.principal_curvature).max() <= 1
    assert frame.reshading is not None
    assert 0 <= frame.reshading.min() < 0.1
    assert 0.9 < frame.reshading.max() <= 1
    assert frame.valid is not None
    assert frame.valid.all()


def test_what_a_frame_does_not_hold_is_given_by_methods(world: Path) -> None:
    dataset = Taskonomy(world, "test")
    scene, objects, depth = dataset.scene_distribution(0), dataset.object_distribution(0), dataset.depth_metres(0)
    assert scene is not None
    assert objects is not None
    assert depth is not None
    assert (scene.shape, objects.shape) == ((63,), (1000,))
    assert scene[KITCHEN] == scene.max() > 0.9
    expected = stored_labels(3)["depth_zbuffer depth_zbuffer.png"] / 512
    assert depth == pytest.approx(expected)
    assert (len(SCENES), OBJECTS, len(SEGMENTS)) == (63, 1000, 17)
    assert SCENES[KITCHEN] == "kitchen"


def test_a_view_lacks_the_labels_whose_files_are_missing(one_view: Path) -> None:
    for label in stored_labels(5):
        if not label.startswith("rgb"):
            label_file(one_view, label).unlink()
    dataset = Taskonomy(one_view, "test")
    frame = dataset[0]
    assert frame.image.shape == (256, 256, 3)
    assert [value for name, value in vars(frame).items() if name not in ("name", "image")] == [None] * 7
    assert (dataset.depth_metres(0), dataset.segment_weights()) == (None, None)


@pytest.mark.parametrize("ending", ["segment_semantic segment_semantic.png", "class_scene class_scene.npy"])
def test_labels_are_found_under_their_newer_names_too(one_view: Path, ending: str) -> None:
    domain = ending.split()[0]
    (older,) = (one_view / "mcdade" / domain).iterdir()
    expected = Taskonomy(one_view, "test")[0]
    older.rename(label_file(one_view, ending))
    got = Taskonomy(one_view, "test")[0]
    assert getattr(got, domain) is not None
    assert np.array_equal(getattr(got, domain), getattr(expected, domain))


def test_a_hole_takes_every_pixel_that_it_touches(tmp_path: Path) -> None:
    (tmp_path / "train_val_test_tiny.csv").write_text(SPLITS, newline="")
    labels = stored_labels(5, 512)
    depth, normal = labels["depth_zbuffer depth_zbuffer.png"], labels["normal normal.png"]
    depth[100:104, 200:204] = 65535
    normal[300, 400] = 128
    for label, stored in labels.items():
        write(label_file(tmp_path, label), stored)
    dataset = Taskonomy(tmp_path, "test")
    metres = dataset.depth_metres(0)
    valid = dataset[0].valid
    assert metres is not None
    assert np.isnan(metres).sum() == 16
    assert valid is not None
    assert not valid[50:52, 100:102].any()
    assert not valid[150, 200]
    # the resampling reaches one pixel further, and no more
    assert valid[:48].all()
    assert valid[54:148].all()
    assert valid.mean() > 0.999


def test_validity_without_a_depth_map_is_where_normals_have_a_direction(one_view: Path) -> None:
    label_file(one_view, "depth_zbuffer depth_zbuffer.png").unlink()
    labels = stored_labels(5)
    labels["normal normal.png"][:16] = 127
    write(label_file(one_view, "normal normal.png"), labels["normal normal.png"])
    valid = Taskonomy(one_view, "test")[0].valid
    assert valid is not None
    assert not valid[:120].any()
    assert valid[140:].all()


@pytest.mark.parametrize(
    ("label", "content"),
    [
        ("normal normal.png", b"<html>not found</html>" * 9),
        ("depth_zbuffer depth_zbuffer.png", np.zeros((32, 32), np.uint8)),
        ("normal normal.png", np.zeros((32, 32), np.uint16)),
        ("segment_semantic segmentsemantic.png", np.random.default_rng(1).integers(0, 20, (32, 32), np.uint8)),
        ("class_scene class_places.npy", np.ones(63, np.float32)),
        ("class_object class_object.npy", np.array([{"a": 1}] * 1000, dtype=object)),
        ("class_object class_object.npy", b"\x93NUMPY" + b"?" * 200),
        ("rgb rgb.png", b""),
    ],
)
def test_a_file_that_cannot_be_what_it_is_called_is_refused_by_its_path(
    one_view: Path, label: str, content: bytes | np.ndarray
) -> None:
    path = label_file(one_view, label)
    path.unlink()
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content.dtype == object:
        np.save(path, content, allow_pickle=True)
    else:
        write(path, content)
    dataset = Taskonomy(one_view, "test")
    with pytest.raises(DataError, match=f"{path} cannot be used .*download it again") as caught:
        _ = dataset[0], dataset.depth_metres(0)
    assert caught.value.__cause__ is not None


@pytest.mark.parametrize("label", [label for label in stored_labels(5) if label.endswith("png")])
def test_a_picture_that_ends_early_is_refused(one_view: Path, label: str) -> None:
    path = label_file(one_view, label)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) - 60])
    dataset = Taskonomy(one_view, "test")
    with pytest.raises(DataError, match=str(path)):
        _ = dataset[0], dataset.depth_metres(0)


@pytest.mark.parametrize("label", ["class_object class_object.npy", "segment_semantic segmentsemantic.png"])
def test_the_data_sets_own_placeholders_are_no_labels(one_view: Path, label: str) -> None:
    label_file(one_view, label).write_bytes(b"none")
    assert getattr(Taskonomy(one_view, "test")[0], label.split()[0]) is None


def test_the_authors_segment_weights_are_read_from_the_data_folder(one_view: Path) -> None:
    weights = np.linspace(0.1, 4.0, 17)
    np.save(one_view / "semseg_prior_factor.npy", weights)
    read = Taskonomy(one_view, "test").segment_weights()
    assert read is not None
    assert read == pytest.approx(weights)
    np.save(one_view / "semseg_prior_factor.npy", weights[:16])
    with pytest.raises(DataError, match=r"semseg_prior_factor\.npy cannot be used"):
        Taskonomy(one_view, "test").segment_weights()


def test_the_longest_split_file_is_read_and_may_lie_in_a_folder(one_view: Path) -> None:
    (one_view / "splits_taskonomy").mkdir()
    longer = SPLITS.replace("mcdade,0,0,1", "mcdade,0,1,0") + "\relsewhere,0,0,1"
    (one_view / "splits_taskonomy" / "train_val_test_medium.csv").write_text(longer, newline="")
    assert len(Taskonomy(one_view, "val")) == 1
    with pytest.raises(DataError, match=r"no pictures .* of the 1 buildings in split 'test'"):
        Taskonomy(one_view, "test")


def remove_splits(root: Path) -> None:
    (root / "train_val_test_tiny.csv").unlink()


def put_a_building_in_two_splits(root: Path) -> None:
    (root / "train_val_test_debug.csv").write_text("id,train,val,test\nmcdade,1,1,1")


@pytest.mark.parametrize(
    ("spoil", "split", "message"),
    [
        (lambda root: None, "all", "splits train, fit, val, validation, test, not 'all'"),
        (lambda root: None, "train", "none of rgb/taskonomy/BUILDING, rgb/BUILDING, BUILDING/rgb"),
        (remove_splits, "test", "put the files of the official splits_taskonomy.zip beside the data"),
        (put_a_building_in_two_splits, "test", "'mcdade' is in 3 splits"),
    ],
)
def test_a_folder_that_cannot_be_split_is_refused_with_advice(
    one_view: Path, spoil: Callable[[Path], None], split: str, message: str
) -> None:
    spoil(one_view)
    with pytest.raises(DataError, match=message):
        Taskonomy(one_view, split)


def test_the_folder_is_recognised_by_its_split_file(world: Path) -> None:
    dataset = open_dataset(world, "test")
    assert isinstance(dataset, Taskonomy)
    assert len(dataset) == 3


def test_a_data_set_can_be_handed_to_another_process(world: Path) -> None:
    dataset = Taskonomy(world, "test")
    _ = dataset[0]
    assert np.array_equal(pickle.loads(pickle.dumps(dataset))[0].image, dataset[0].image)
