"""The project's own sources, as the tests of its structure read them: without importing a module.

    product_files() --> every module of the product        classes(files) --> every class that these modules define

Law: a folder with Python modules at the top of the tree belongs to the product unless `NOT_PRODUCT` names it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = next(folder for folder in Path(__file__).resolve().parents if (folder / "pyproject.toml").is_file())
NOT_PRODUCT = {"tests", "benchmarks", "deploy"}
"""These folders use the product, and no user imports them."""
NOT_OURS = {"build", "dist", "out", "work"}
"""What commands write into the tree."""
GENERATED = ROOT / "shared" / "wire"


@dataclass(frozen=True)
class DefinedClass:
    """A class in a source file. bases: the last part of each base's name."""

    name: str
    path: Path
    bases: tuple[str, ...]

    @property
    def is_public(self) -> bool:
        """Return True where the name has no leading underscore."""
        return not self.name.startswith("_")


def packages() -> tuple[str, ...]:
    """Return the top-level folders that hold Python modules, by name."""
    found = {path.parents[-2].name for path in _relative_modules() if len(path.parents) > 1}
    return tuple(sorted(found))


def product_packages() -> tuple[str, ...]:
    """Return the top-level folders of the product, by name."""
    return tuple(name for name in packages() if name not in NOT_PRODUCT)


def product_files() -> list[Path]:
    """Return every module of the product, in the order of their paths; compiled protobuf modules are left out."""
    return files_of(product_packages())


def files_of(names: Iterable[str]) -> list[Path]:
    """Return every module of these top-level folders, in the order of their paths."""
    wanted = set(names)
    return [ROOT / path for path in _relative_modules() if len(path.parents) > 1 and path.parents[-2].name in wanted]


@cache
def tree_of(path: Path) -> ast.Module:
    """Return the syntax tree of a source file."""
    return ast.parse(path.read_text(), str(path))


def classes(files: Iterable[Path]) -> list[DefinedClass]:
    """Return every class that is defined in these files, also within classes and functions."""
    return [
        DefinedClass(node.name, path, tuple(name for base in node.bases if (name := last_name(base))))
        for path in files
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ClassDef)
    ]


def descendants(root: str, known: Iterable[DefinedClass]) -> dict[str, DefinedClass]:
    """Return the classes that derive from the class named `root`, by name; `root` itself is not among them."""
    found: dict[str, DefinedClass] = {}
    names = {root}
    remaining = list(known)
    while added := [one for one in remaining if names.intersection(one.bases)]:
        found |= {one.name: one for one in added}
        names |= {one.name for one in added}
        remaining = [one for one in remaining if one not in added]
    return found


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Give each docstring of a file with the line of what it describes."""
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text


def last_name(node: ast.expr) -> str:
    """Return the last part of a dotted name; "" for any other expression."""
    if isinstance(node, ast.Subscript):
        return last_name(node.value)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


@cache
def _relative_modules() -> tuple[Path, ...]:
    tops = sorted(path for path in ROOT.iterdir() if path.is_dir() and path.name not in NOT_OURS)
    return tuple(
        path.relative_to(ROOT)
        for top in tops
        if not top.name.startswith(".")
        for path in sorted(top.rglob("*.py"))
        if not path.is_relative_to(GENERATED) and not any(part.startswith(".") for part in path.relative_to(ROOT).parts)
    )
