"""The errors: one tree, drawn in `shared.errors`; and every class that a docstring says is raised exists.

Laws: the drawing shows every `TaxonError` of the product under its parent; each has one gRPC status and one HTTP status.
"""

from __future__ import annotations

import ast
import builtins
import re
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

import grpc
import pytest

from shared import errors
from shared.transport.status_codes import STATUSES
from tests.support.source_tree import (
    ROOT,
    classes,
    descendants,
    docstrings,
    files_of,
    packages,
    product_files,
    tree_of,
)

_BRANCH = re.compile(r"^(?P<indent>[ |]*)\|- (?P<name>\w+)(?P<star>\*?)")
_CLAUSE = re.compile(r"\b[Rr]ais(?:es?|ed|ing)\b(?P<clause>(?:[^.;:]|\.(?=\w))*)")
_FIRST = re.compile(r"^:?\s+(?:an? |the )?`?(?P<name>[A-Z]\w*(?:\.\w+)*)")
_CAMEL = re.compile(r"\b(?:\w+\.)*(?P<name>[A-Z][a-z0-9]+[A-Z]\w*)")
NAMES_OF_THINGS = {"JetStream"}
"""Words of two capitals that are no classes."""


def drawn() -> dict[str, tuple[str, bool]]:
    """Return the parent of each drawn error, and whether a star says that it is defined elsewhere."""
    found: dict[str, tuple[str, bool]] = {}
    above: list[tuple[int, str]] = [(-1, "TaxonError")]
    for line in (errors.__doc__ or "").splitlines():
        branch = _BRANCH.match(line)
        if branch is None:
            continue
        depth = len(branch["indent"])
        while above[-1][0] >= depth:
            above.pop()
        assert branch["name"] not in found, f"{branch['name']} is drawn twice"
        found[branch["name"]] = (above[-1][1], bool(branch["star"]))
        above.append((depth, branch["name"]))
    return found


def test_the_drawing_shows_every_error_of_the_product_under_its_parent() -> None:
    defined = descendants("TaxonError", classes(product_files()))
    parents = {
        name: next(base for base in one.bases if base in {*defined, "TaxonError"}) for name, one in defined.items()
    }
    assert {name: parent for name, (parent, _) in drawn().items()} == parents


def test_errors_are_defined_in_one_module_unless_the_drawing_has_a_star() -> None:
    home = Path(errors.__file__)
    elsewhere = {name for name, one in descendants("TaxonError", classes(product_files())).items() if one.path != home}
    assert {name for name, (_, starred) in drawn().items() if starred} == elsewhere


def test_no_two_errors_have_one_name() -> None:
    kinds = descendants("TaxonError", classes(product_files()))
    names = [one.name for one in classes(product_files()) if one.name in kinds]
    assert sorted(names) == sorted(kinds)


def test_each_error_has_one_status_of_grpc_and_one_of_http() -> None:
    table = {kind.__name__: status for kind, status in STATUSES.items()}
    defined = descendants("TaxonError", classes(product_files()))
    for name, one in defined.items():
        # With two parents that have a status, the answer would be that of the one which is written first.
        assert sum(base in table or base in defined for base in one.bases) == 1, f"{name} has two statuses or none"
        parents = [name]
        while parents[-1] not in table:
            parents.append(next(base for base in defined[parents[-1]].bases if base in defined or base in table))
        status = table[parents[-1]]
        assert isinstance(status.code, grpc.StatusCode)
        assert 400 <= status.http <= 599


def test_the_table_of_statuses_names_each_error_once() -> None:
    [table] = [
        node.value
        for path in files_of(["shared"])
        for node in tree_of(path).body
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "STATUSES"
    ]
    assert isinstance(table, ast.Dict)
    keys = [ast.unparse(key).removeprefix("errors.") for key in table.keys if key is not None]
    assert len(keys) == len(set(keys)), "a dictionary keeps the last of two entries and says nothing"
    assert set(keys) <= {"TaxonError", *drawn()}


def promised(text: str) -> Iterator[str]:
    """Give the names of classes that a docstring says are raised."""
    for found in _CLAUSE.finditer(text):
        # What is raised "as another function does" is named there.
        clause = re.split(r"\bas\b", found["clause"].split("\n\n")[0])[0]
        first = _FIRST.match(clause)
        if first is not None:
            yield first["name"].split(".")[-1]
        yield from (other["name"] for other in _CAMEL.finditer(clause))


def names_in_code(files: Iterable[Path]) -> set[str]:
    """Return every name that the code of these modules uses or imports, without those in its texts."""
    names: set[str] = set()
    for node in (node for path in files for node in ast.walk(tree_of(path))):
        if isinstance(node, ast.Name):
            names.add(node.id)
        elif isinstance(node, ast.Attribute):
            names.add(node.attr)
        elif isinstance(node, ast.alias):
            names.add((node.asname or node.name).split(".")[-1])
    return names


@cache
def own_exceptions() -> set[str]:
    known = classes(files_of(packages()))
    roots = {
        name for name, kind in vars(builtins).items() if isinstance(kind, type) and issubclass(kind, BaseException)
    }
    return roots.union(
        *(descendants(root, known) for root in ("Exception", "AssertionError", "ValueError", "RuntimeError"))
    )


@cache
def every_class() -> frozenset[str]:
    return frozenset(one.name for one in classes(files_of(packages())))


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("Raises Busy.", ["Busy"]),
        (
            "The frame; raises a FolderError, or BadName\nfor none, and `sqlite3.DatabaseError`. Not Other.",
            ["FolderError", "BadName", "DatabaseError"],
        ),
        ("Raises what `end` was given; the CallHangs is told.", []),
        ("Raises the limit of open files.", []),
        ("The tree of errors that Taxon raises on purpose", []),
    ],
)
def test_promises_are_read(text: str, names: list[str]) -> None:
    assert list(dict.fromkeys(promised(text))) == names


@pytest.mark.parametrize("package", packages())
def test_every_class_that_a_docstring_says_is_raised_exists(package: str) -> None:
    ours = own_exceptions()
    others = names_in_code(files_of([package])) - every_class()
    wrong = [
        f"{path.relative_to(ROOT)}:{line} says that {name} is raised"
        for path in files_of([package])
        for line, text in docstrings(path)
        for name in promised(text)
        # A class of ours has to be an exception; a library's is known by the code that names it.
        if name not in ours | others | NAMES_OF_THINGS
    ]
    assert not wrong
