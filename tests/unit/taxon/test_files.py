"""Files are whole or absent, and inputs that share a stem do not overwrite one another."""

from __future__ import annotations

from pathlib import Path

import pytest

from taxon.errors import OutputError, UsageError
from taxon.files import output_names, require_writable, write_all


def test_files_are_written_and_overwritten_and_nothing_else_is_left(tmp_path):
    first, second = tmp_path / "new" / "a.txn", tmp_path / "new" / "b.txn"
    write_all({first: b"old"})
    write_all({first: b"one", second: b"two"})
    assert {path.name: path.read_bytes() for path in first.parent.iterdir()} == {"a.txn": b"one", "b.txn": b"two"}


def test_when_one_file_cannot_be_written_none_is(tmp_path):
    (tmp_path / "in_the_way").write_bytes(b"a file where a folder should be")
    with pytest.raises(OutputError, match=r"cannot write .*in_the_way"):
        write_all({tmp_path / "a.png": b"1", tmp_path / "in_the_way" / "b.png": b"2"})
    assert [path.name for path in tmp_path.iterdir()] == ["in_the_way"]


def test_files_get_the_permissions_of_any_other_new_file(tmp_path):
    usual = tmp_path / "usual"
    usual.touch()
    write_all({tmp_path / "ours": b""})
    assert (tmp_path / "ours").stat().st_mode == usual.stat().st_mode


def test_it_is_known_beforehand_whether_a_file_can_be_written(tmp_path):
    (tmp_path / "file").touch()
    require_writable(tmp_path / "new" / "folder" / "figures.json")
    require_writable(tmp_path / "file")
    for path in (tmp_path, tmp_path / "file" / "figures.json"):
        with pytest.raises(OutputError, match=r"cannot write"):
            require_writable(path)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize(
    ("inputs", "names"),
    [
        (["a/x.jpg", "b/y.png"], ["x", "y"]),
        (["a/x.jpg", "a/x.png"], ["x.jpg", "x.png"]),
        (["a/x.jpg", "b/x.jpg"], ["a_x", "b_x"]),
        (["a/x.jpg", "a/x.png", "b/x.jpg"], ["a_x.jpg", "a_x.png", "b_x.jpg"]),
    ],
)
def test_outputs_are_named_after_their_inputs(inputs, names):
    assert output_names([Path(path) for path in inputs]) == names


def test_the_same_input_twice_is_refused() -> None:
    with pytest.raises(UsageError, match=r"2 inputs would all be written as a_x\.jpg"):
        output_names([Path("a/x.jpg"), Path("a/x.jpg")])
