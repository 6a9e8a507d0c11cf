from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.errors import BundleError, UnknownName
from shared.model.bundle import Bundle
from shared.model.tasks import SEGMENTATION_LABELS
from tests.support.bundles import SEMANTIC, write_tiny_bundle


@pytest.fixture
def copy(tiny_bundle_directory: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle_directory, tmp_path / "copy"))


def edit(directory: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = directory / "manifest.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def test_a_bundle_is_typed(tiny_bundle: Bundle, tiny_bundle_directory: Path) -> None:
    manifest = (tiny_bundle_directory / "manifest.json").read_bytes()
    assert tiny_bundle.digest == hashlib.sha256(manifest).digest()
    assert tiny_bundle.group("semantic") == SEMANTIC == tiny_bundle.group_with_id(0)
    assert tiny_bundle.manifest.group_of("normal").name == "geometry"
    assert tiny_bundle.operating_point(2).name == "middle"
    assert tiny_bundle.manifest.tasks["segment_semantic"].labels == SEGMENTATION_LABELS
    assert tiny_bundle.manifest.tasks["principal_curvature"].minimum_radius_metres == 0.1
    assert tiny_bundle.path("heads/normal.onnx").is_file()
    assert set(tiny_bundle.codecs()) == {"semantic", "geometry"}


def test_writing_twice_gives_the_same_digest(tiny_bundle: Bundle, tmp_path: Path) -> None:
    assert write_tiny_bundle(tmp_path / "again") == tiny_bundle.digest


def test_every_file_is_listed_with_its_size(tiny_bundle: Bundle) -> None:
    on_disk = {p.relative_to(tiny_bundle.directory).as_posix() for p in tiny_bundle.directory.rglob("*") if p.is_file()}
    assert set(tiny_bundle.manifest.files) == on_disk - {"manifest.json"}
    assert "MODEL_CARD.md" in tiny_bundle.manifest.files


def test_a_changed_byte_in_any_file_is_named(copy: Path) -> None:
    for path in sorted(Bundle.load(copy).manifest.files):
        original = (copy / path).read_bytes()
        changed = bytearray(original)
        changed[len(changed) // 2] ^= 1
        (copy / path).write_bytes(changed)
        with pytest.raises(BundleError, match=f"^{path}: has the SHA-256 .* the manifest says"):
            Bundle.load(copy)
        (copy / path).write_bytes(original)
    Bundle.load(copy)


def test_a_file_that_grew_or_is_missing_is_named(copy: Path) -> None:
    head = copy / "heads/normal.onnx"
    head.write_bytes(head.read_bytes() + b"\0")
    with pytest.raises(BundleError, match=r"heads/normal.onnx: has \d+ bytes, the manifest says \d+"):
        Bundle.load(copy)
    head.unlink()
    with pytest.raises(BundleError, match=r"heads/normal.onnx: is listed in the manifest but missing") as caught:
        Bundle.load(copy)
    assert caught.value.path == "heads/normal.onnx"


def test_a_newer_format_says_which_is_supported(copy: Path) -> None:
    edit(copy, lambda document: document.update(format=2))
    with pytest.raises(BundleError, match="has format 2, this release supports format 1"):
        Bundle.load(copy)


def test_no_bundle_at_all(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"manifest.json: cannot be read"):
        Bundle.load(tmp_path)
    for nonsense in ("", "[]", "{}", "\xff"):
        (tmp_path / "manifest.json").write_text(nonsense, encoding="latin-1")
        with pytest.raises(BundleError, match="is no bundle manifest"):
            Bundle.load(tmp_path)


@pytest.mark.parametrize(
    "path", ["../secret", "/etc/passwd", "heads/../../secret", "C:\\secret", "a//b", ".", "", "./backbone.onnx"]
)
def test_paths_out_of_the_bundle_are_refused(copy: Path, path: str) -> None:
    edit(copy, lambda document: document["files"].update({path: {"bytes": 1, "sha256": "0"}}))
    with pytest.raises(BundleError, match="not a plain path inside the bundle"):
        Bundle.load(copy)
    edit(copy, lambda document: (document["files"].pop(path), document.update(backbone=path)))
    with pytest.raises(BundleError, match="not a plain path inside the bundle"):
        Bundle.load(copy)


def test_a_link_out_of_the_bundle_is_refused(copy: Path) -> None:
    outside = copy.parent / "outside.onnx"
    shutil.move(copy / "backbone.onnx", outside)
    (copy / "backbone.onnx").symlink_to(outside)
    with pytest.raises(BundleError, match=r"backbone.onnx: is a link that leads out"):
        Bundle.load(copy)


def test_an_unlisted_graph_is_refused(copy: Path) -> None:
    edit(copy, lambda document: document["files"].pop("heads/normal.onnx"))
    with pytest.raises(BundleError, match=r"heads/normal.onnx: is named by .* but not listed"):
        Bundle.load(copy)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda d: d["groups"][1].update(id=0), "different ids"),
        (lambda d: d["groups"][1].update(id=16), "different ids"),
        (lambda d: d["tasks"].pop("normal"), "needs an entry in tasks"),
        (
            lambda d: (d["groups"][1]["tasks"].append("depth"), d["tasks"].update(depth=d["tasks"]["normal"])),
            "tasks must",
        ),
        (lambda d: d["operating_points"].pop(0), "numbered 0, 1"),
        (lambda d: d.update(default_rate=3), "default_rate is no operating point"),
        (lambda d: d["groups"][0]["latent"].update(height=256), "at most 255"),
        (lambda d: d["groups"][0]["latent"].update(height="4"), "wrong type"),
        (lambda d: d["groups"][0].pop("encoder"), "field is missing"),
        (lambda d: d.update(groups=None), "field is missing"),
        (lambda d: d.update(name=7), "wrong type"),
    ],
)
def test_an_inconsistent_manifest_is_refused(
    copy: Path, change: Callable[[dict[str, Any]], object], reason: str
) -> None:
    edit(copy, change)
    with pytest.raises(BundleError, match=reason):
        Bundle.load(copy)


def test_an_entropy_model_of_other_operating_points_is_refused(copy: Path) -> None:
    edit(copy, lambda d: d["operating_points"].append({"rate": 3, "name": "high"}))
    with pytest.raises(BundleError, match="has 3 operating points, the manifest 4"):
        Bundle.load(copy).codecs()


def test_a_scale_index_without_a_table_is_refused(copy: Path) -> None:
    path = copy / "semantic/entropy.npz"
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays["side_scale_index"][0, 0] = 8
    np.savez(path, **arrays)
    data = path.read_bytes()
    entry = {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    edit(copy, lambda d: d["files"].update({"semantic/entropy.npz": entry}))
    with pytest.raises(BundleError, match=r"side_scale_index: must lie in 0\.\.7"):
        Bundle.load(copy).codecs()


def test_unknown_names_list_the_known_ones(tiny_bundle: Bundle) -> None:
    with pytest.raises(UnknownName, match="unknown task group audio; choose one of: semantic, geometry"):
        tiny_bundle.group("audio")
    with pytest.raises(UnknownName, match="unknown task depth; choose one of: class_object"):
        tiny_bundle.manifest.group_of("depth")
    with pytest.raises(UnknownName, match="unknown operating point 7"):
        tiny_bundle.operating_point(7)
    with pytest.raises(BundleError, match="secret: is not listed in the manifest of tiny/1"):
        tiny_bundle.path("secret")
