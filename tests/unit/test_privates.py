"""No test looks into another class: what it needs to know, the class says in public, or the test sees by what happens.

    tests/**.py --ast--> `x._name`, setattr(x, "_name", ...) --whose is it?--> what is another class's

Law: a name that begins with an underscore is used where it is defined. `LEFT` lists what is still to be mended; it only shrinks.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from functools import cache

from tests.support.source_tree import ROOT, files_of, tree_of

PUBLIC = {"_replace", "_asdict", "_fields", "_make"}
"""Named tuples' own, which only look private."""
LEFT: dict[str, int] = {}
"""By file: how many are left."""


def own_names(tree: ast.Module) -> set[str]:
    """The private names that a module defines itself, as attributes or otherwise."""
    defined = {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and is_of_its_own(node.value):
            defined.add(node.attr)
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            defined.add(node.target.id)
    return defined


def is_of_its_own(owner: ast.expr) -> bool:
    return isinstance(owner, ast.Name) and owner.id in ("self", "cls")


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name != "_" and name not in PUBLIC


def reaches(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and name of each private attribute of somebody else."""
    own = own_names(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr):
            if not is_of_its_own(node.value) and node.attr not in own:
                yield node.lineno, node.attr
        elif isinstance(node, ast.Call):
            named = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if named in ("getattr", "setattr", "delattr", "hasattr", "object"):
                for given in node.args[:2]:
                    last = str(given.value).rpartition(".")[2] if isinstance(given, ast.Constant) else ""
                    if is_private(last) and last not in own:
                        yield node.lineno, last


@cache
def found() -> Mapping[str, list[str]]:
    """By file: what reaches into another class."""
    by_file = {}
    for path in files_of(["tests"]):
        if strays := [f"{line}: {name}" for line, name in reaches(tree_of(path))]:
            by_file[path.relative_to(ROOT).as_posix()] = strays
    return by_file


def test_no_test_reaches_into_another_class() -> None:
    more = {name: lines for name, lines in found().items() if len(lines) > LEFT.get(name, 0)}
    assert not more, "make it public if a user of the class wants it, else test what the class does"


def test_what_is_mended_leaves_the_list() -> None:
    left = found()
    assert not {name for name, count in LEFT.items() if len(left.get(name, ())) < count}


def test_each_way_in_is_seen() -> None:
    text = """
class Mine:
    def __init__(self, other):
        self._own = 1
        other._theirs
        other.mine._own
        getattr(other, "_named")
        monkeypatch.setattr("package.module._patched", 1)
        other.point._replace(x=1)
"""
    assert [name for _, name in reaches(ast.parse(text))] == ["_theirs", "_named", "_patched"]
