"""What `taxon` offers to programs: all of it is listed, explained, typed, and loaded only when it is used."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from pathlib import Path
from types import UnionType
from typing import get_args

import pytest

import taxon

HIDDEN = """
import sys
sys.modules["onnxruntime"] = None
import taxon
taxon.Wish
taxon.Codec
"""


def typed_names() -> list[str]:
    """Return the names that type checkers see, from the imports that are for them alone."""
    tree = ast.parse(inspect.getsource(taxon))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    return [alias.name for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names]


def test_the_list_is_complete_and_sorted() -> None:
    assert taxon.__all__ == dir(taxon) == sorted(typed_names())


def test_all_of_it_can_be_imported_at_once() -> None:
    found: dict[str, object] = {}
    exec("from taxon import *", found)
    assert set(taxon.__all__) <= set(found)


@pytest.mark.parametrize("name", taxon.__all__)
def test_every_name_is_one_object_and_explains_itself(name: str) -> None:
    found = getattr(taxon, name)
    assert getattr(taxon, name) is found
    if isinstance(found, UnionType):
        assert {one.__name__ for one in get_args(found)} <= set(taxon.__all__)
        return
    assert found.__name__ == name
    assert found.__doc__
    # A dataclass or an enumeration without a docstring has one that was made from its signature, or of its base.
    assert not found.__doc__.startswith((f"{name}(", "str(", "An enumeration"))


def test_a_name_that_is_none_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'taxon' has no attribute 'Camera'"):
        _ = taxon.Camera  # type: ignore[attr-defined]


@pytest.mark.starts_process
def test_without_an_inference_runtime_the_clients_are_there_and_the_codec_names_the_extra() -> None:
    ran = subprocess.run([sys.executable, "-c", HIDDEN], capture_output=True, text=True, check=False)
    last = ran.stderr.splitlines()[-1]
    assert "taxon.Codec needs the cpu extra: pip install '.[cpu]' in the checkout" in last
    assert last.endswith("(no module onnxruntime)")


def test_type_checkers_are_told_that_there_are_types() -> None:
    assert (Path(taxon.__file__).parent / "py.typed").is_file()
