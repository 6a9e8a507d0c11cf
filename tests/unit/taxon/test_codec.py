"""The codec for programs: what it takes, what it gives, and that both are the services' own."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from cloud_analytics.decoding.decoder import Decoder
from cloud_analytics.decoding.heads import results
from edge_encoder.encoding.encoder import Encoder
from edge_encoder.encoding.preprocess import preprocess
from shared.errors import BitstreamError, BundleError, ImageError, MissingGroup, UnknownName
from shared.model.bundle import Bundle
from shared.model.tasks import SEGMENTATION_LABELS, TASKS
from taxon.codec import Codec, DecodedTasks
from taxon.errors import InputError


@pytest.fixture(scope="module")
def codec(tiny_bundle: Bundle) -> Codec:
    return Codec.load(tiny_bundle)


@pytest.fixture(scope="module")
def photo(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "photo.png"
    pixels = np.random.default_rng(7).integers(0, 256, (48, 64, 3), np.uint8)
    Image.fromarray(pixels).save(path)
    return path


def test_a_picture_may_be_a_path_bytes_or_pixels(codec: Codec, photo: Path) -> None:
    data = codec.encode(photo)
    assert codec.encode(str(photo)) == data
    assert codec.encode(photo.read_bytes()) == data
    assert codec.encode(np.asarray(Image.open(photo))) == data


def test_law_the_bytes_and_the_results_are_those_of_the_services(codec: Codec, photo: Path) -> None:
    frame = preprocess(photo.read_bytes(), codec.bundle.manifest.input)
    groups = [group.name for group in codec.bundle.manifest.groups]
    data = codec.encode(photo, rate=1)
    assert data == Encoder(codec.bundle).encode(frame.pixels, groups, 1).bitstream
    names = [task.name for task in TASKS]
    expected = {one.task.name: one.values[0] for one in results(Decoder(codec.bundle), [data], names)}
    found = codec.decode(data)
    assert np.array_equal(found["segment_semantic"], expected["segment_semantic"])
    assert np.array_equal(np.moveaxis(found["normal"], -1, 0), expected["normal"])
    assert np.array_equal(found["reshading"][None], expected["reshading"])
    assert np.array_equal(np.moveaxis(found["principal_curvature"], -1, 0), expected["principal_curvature"])
    by_index = sorted(found["class_object"], key=lambda one: one.index)
    assert np.array_equal([one.probability for one in by_index], expected["class_object"])


def test_results_have_the_shapes_that_the_type_says(codec: Codec, photo: Path) -> None:
    assert set(DecodedTasks.__annotations__) == {task.name for task in TASKS}, "one key for each task"
    found, size = codec.decode(codec.encode(photo)), codec.bundle.manifest.input
    plane = (size.height, size.width)
    assert (found["segment_semantic"].shape, found["normal"].shape) == (plane, (*plane, 3))
    assert (found["segment_semantic"].dtype, found["normal"].dtype) == (np.dtype("u1"), np.dtype("f4"))
    assert (found["reshading"].shape, found["principal_curvature"].shape) == (plane, (*plane, 2))
    for classes in (found["class_scene"], found["class_object"]):
        probabilities = [one.probability for one in classes]
        assert probabilities == sorted(probabilities, reverse=True)
        assert sum(probabilities) == pytest.approx(1, abs=1e-4)


def test_only_the_tasks_that_are_asked_for_are_decoded(codec: Codec, photo: Path) -> None:
    assert list(codec.decode(codec.encode(photo), tasks=("normal", "class_scene"))) == ["normal", "class_scene"]


def test_a_group_that_was_not_sent_has_no_results(codec: Codec, photo: Path) -> None:
    data = codec.encode(photo, groups=["geometry"])
    assert set(codec.decode(data)) == {"normal", "reshading", "principal_curvature"}
    with pytest.raises(MissingGroup):
        codec.decode(data, tasks=["class_scene"])


def test_classes_have_names(codec: Codec) -> None:
    assert codec.labels("segment_semantic") == SEGMENTATION_LABELS
    assert codec.labels("normal") == ()
    with pytest.raises(UnknownName):
        codec.labels("depth")


@pytest.mark.parametrize(
    ("encode", "error"),
    [
        (lambda codec, photo: codec.encode(photo, rate=9), UnknownName),
        (lambda codec, photo: codec.encode(photo, groups=["colour"]), UnknownName),
        (lambda codec, photo: codec.encode(photo, groups=[]), ValueError),
        (lambda codec, photo: codec.encode(photo.parent / "none.jpg"), InputError),
        (lambda codec, photo: codec.encode(b"no picture"), ImageError),
        (lambda codec, photo: codec.encode(np.zeros((48, 64), np.uint8)), ImageError),
    ],
    ids=["rate", "group", "no group", "no file", "no picture", "no colours"],
)
def test_what_cannot_be_encoded_is_an_error_that_says_why(
    codec: Codec, photo: Path, encode: Callable[[Codec, Path], bytes], error: type[Exception]
) -> None:
    with pytest.raises(error):
        encode(codec, photo)


def test_a_missing_file_is_named(codec: Codec, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none\.jpg: No such file"):
        codec.encode(tmp_path / "none.jpg")


def test_damaged_bytes_are_refused(codec: Codec, photo: Path) -> None:
    data = bytearray(codec.encode(photo))
    data[-1] ^= 1
    with pytest.raises(BitstreamError):
        codec.decode(bytes(data))


def test_a_bundle_is_loaded_from_its_folder(
    tiny_bundle_directory: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digest = Bundle.load(tiny_bundle_directory).digest
    assert Codec.load(tiny_bundle_directory).bundle.digest == digest
    assert Codec.load(str(tiny_bundle_directory)).bundle.digest == digest
    monkeypatch.setenv("TAXON_BUNDLE", str(tiny_bundle_directory))
    assert Codec.load().bundle.digest == digest
    with pytest.raises(BundleError):
        Codec.load(tmp_path)


def test_the_three_lines_of_the_readme_work_with_the_shipped_bundle(
    photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TAXON_BUNDLE", raising=False)
    codec = Codec.load()
    buffer = io.BytesIO()
    Image.open(photo).save(buffer, "JPEG")
    normals = codec.decode(codec.encode(buffer.getvalue(), rate=2), tasks=("normal",))["normal"]
    assert np.allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-3)
