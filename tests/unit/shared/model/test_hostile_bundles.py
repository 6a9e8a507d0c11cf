"""What the fuzzer found in the bundle loader, each as a test: nothing but a BundleError, whatever the files hold."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shared.codec import npz
from shared.codec.cdf_tables import CdfTables
from shared.codec.hyper_synthesis import HyperSynthesis
from shared.codec.npz import read_integer_arrays
from shared.errors import BundleError
from shared.model.manifest import MANIFEST, read_manifest
from tests.support import fixed_models


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda document: document["tasks"]["normal"].update(minimum_radius_metres=10**400), "wrong type"),
        (lambda document: document.update(name="\ud800"), "wrong type"),
        (lambda document: document["input"].update(height=1 << 62), "wrong type"),
        (lambda document: document["input"].update(height=255 * 32 + 1), "at most 8160"),
    ],
)
def test_a_manifest_whose_values_nothing_can_carry_is_refused(
    tiny_bundle_directory: Path, change: Any, reason: str
) -> None:
    document = json.loads((tiny_bundle_directory / MANIFEST).read_bytes())
    change(document)
    with pytest.raises(BundleError, match=reason):
        read_manifest(json.dumps(document).encode(), MANIFEST)


def test_a_manifest_that_is_nested_too_deep_is_refused() -> None:
    with pytest.raises(BundleError, match="no bundle manifest"):
        read_manifest(b"[" * 100_000, MANIFEST)


@pytest.mark.parametrize(
    "content",
    [
        b"\x93NUMPY\x01\0v\0{'descr': '<i8', 'fortran_order': False, 'shape': (8,\x92, }",
        b"no array at all",
        b"",
    ],
)
def test_an_archive_of_something_else_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "arrays.npz"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("radius.npy", content)
    with pytest.raises(BundleError):
        read_integer_arrays(path, ("radius",))


def test_a_lone_array_is_no_archive(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    file = io.BytesIO()
    np.save(file, np.arange(3))
    path.write_bytes(file.getvalue())
    with pytest.raises(BundleError, match=r"no \.npz"):
        read_integer_arrays(path, ("radius",))


def test_an_archive_that_makes_a_thousandfold_of_itself_is_refused_before_it_is_unpacked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(npz, "LARGEST_BYTES", 1 << 20)
    path = tmp_path / "arrays.npz"
    np.savez_compressed(path, radius=np.zeros(1 << 18, np.int64))
    assert path.stat().st_size < 1 << 14
    with pytest.raises(BundleError, match="at most"):
        read_integer_arrays(path, ("radius",))


def test_sums_that_wrap_around_are_not_taken_for_small_ones() -> None:
    arrays = fixed_models.arrays()
    arrays["trunk_weight"][0, :2] = 1 << 62  # their sum, and 2^20 times it, are 0 in 64 bits, or negative
    with pytest.raises(BundleError, match="not be exact"):
        HyperSynthesis(arrays, fixed_models.SHAPE, fixed_models.SIDE)


def test_a_table_that_rises_only_where_differences_wrap_around_is_refused() -> None:
    made = fixed_models.tables()
    cdf = made.cdf.copy()
    begin = int(made.offset[1, 0])
    # radius 1: 0, x, y, z, 65536; from the largest to the smallest number the difference wraps around to 1.
    cdf[begin + 1 : begin + 4] = [(1 << 63) - 1, -(1 << 63), -(1 << 62)]
    with pytest.raises(BundleError, match="rise strictly"):
        CdfTables.checked(made.radius, made.offset, cdf)


def test_numbers_that_do_not_fit_are_not_turned_around(tmp_path: Path) -> None:
    path = tmp_path / "arrays.npz"
    np.savez(path, radius=np.array([1, (1 << 64) - 1], np.uint64))
    with pytest.raises(BundleError, match=r"2\^63"):
        read_integer_arrays(path, ("radius",))
