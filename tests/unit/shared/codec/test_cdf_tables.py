from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from shared.codec.cdf_tables import CdfTables
from shared.errors import BundleError
from tests.support.fixed_models import tables


def test_lookup_finds_the_value_in_its_own_table() -> None:
    made = tables()
    for s in (1, 4, 7):
        for f in (0, 8, 15):
            values = np.arange(-s, s + 1)
            start, frequency, excess = made.lookup(values, np.full(values.size, s), np.full(values.size, f))
            table = made.lists[16 * s + f]
            assert start.tolist() == table[:-2]
            assert (start + frequency).tolist() == table[1:-1]
            assert (excess <= 0).all()


def test_a_value_outside_the_radius_gets_the_escape() -> None:
    made = tables()
    start, frequency, excess = made.lookup(np.array([-5, 4]), np.array([3, 3]), np.array([8, 8]))
    table = made.lists[16 * 3 + 8]
    assert start.tolist() == [table[-2]] * 2
    assert frequency.tolist() == [65536 - table[-2]] * 2
    assert excess.tolist() == [2, 1]


def test_cross_entropy_counts_tables_escapes_and_certain_symbols() -> None:
    made = tables()
    table = made.lists[16 * 3 + 8]
    inside = 16 - np.log2(table[4] - table[3])
    escape = 16 - np.log2(65536 - table[-2])
    # |value| - radius = 1, 2, 5 take the sign and 1, 3, 5 bits of Exp-Golomb.
    bits = made.cross_entropy_bits(np.array([0, 4, -5, 8, 99]), np.array([3, 3, 3, 3, 0]), np.array([8, 8, 8, 8, 0]))
    assert bits.tolist() == pytest.approx([inside, escape + 2, escape + 4, escape + 6, 0])


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        ("flat", lambda cdf: cdf.__setitem__(1, cdf[0]), "does not rise strictly"),
        ("short of 2^16", lambda cdf: cdf.__setitem__(4, 65535), "does not rise strictly"),
        ("not from 0", lambda cdf: cdf.__setitem__(0, 1), "does not rise strictly"),
    ],
)
def test_a_broken_table_is_refused(name: str, change: object, reason: str) -> None:
    made = tables()
    cdf = made.cdf.copy()
    assert callable(change)
    change(cdf)
    with pytest.raises(BundleError, match=reason):
        CdfTables.checked(made.radius, made.offset, cdf, name)


def test_a_table_outside_the_array_is_refused() -> None:
    made = tables()
    with pytest.raises(BundleError, match=r"table \(scale 7, fraction 15\) lies outside"):
        CdfTables.checked(made.radius, made.offset, made.cdf[:-1])


def test_a_file_without_an_array_or_with_floats_is_refused(tmp_path: Path) -> None:
    made = tables()
    path = tmp_path / "cdf_tables.npz"
    np.savez(path, radius=made.radius, offset=made.offset)
    with pytest.raises(BundleError, match="has no array cdf"):
        CdfTables.load(path)
    np.savez(path, radius=made.radius, offset=made.offset, cdf=made.cdf.astype(np.float64))
    with pytest.raises(BundleError, match="array cdf holds float64"):
        CdfTables.load(path)
    path.write_bytes(b"PK nonsense")
    with pytest.raises(BundleError, match="is no"):
        CdfTables.load(path)
    np.savez(path, radius=made.radius, offset=made.offset, cdf=made.cdf)
    whole = path.read_bytes()
    path.write_bytes(whole[:200] + bytes([whole[200] ^ 1]) + whole[201:])
    with pytest.raises(BundleError, match="cannot be read"):
        CdfTables.load(path)
