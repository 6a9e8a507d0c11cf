"""The house's one law of direction (CONTRIBUTING.md): who may import whom, read from the sources."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MAY_USE = {
    "shared": {"shared"},
    "edge_encoder": {"shared", "edge_encoder"},
    "cloud_analytics": {"shared", "cloud_analytics"},
    "training": {"shared", "training"},
    "experiments": {"shared", "training", "experiments"},
    "tools": {"shared", "training", "tools"},
    "taxon": {"shared", "edge_encoder", "cloud_analytics", "training", "experiments", "taxon"},
}
TRAINING_ONLY = {"torch", "torchvision", "compressai", "matplotlib", "scipy", "onnx", "mitsuba"}


def imported(path: Path) -> Iterator[str]:
    """The top-level packages that a module imports, also within functions."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            yield node.module.split(".")[0]


@pytest.mark.parametrize("package", MAY_USE)
def test_dependencies_point_one_way(package: str) -> None:
    own = set(MAY_USE)
    strays = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / package).rglob("*.py")
        for name in imported(path)
        if name in own and name not in MAY_USE[package]
    }
    assert not strays


@pytest.mark.parametrize("package", ["shared", "edge_encoder", "cloud_analytics", "taxon"])
def test_nothing_but_training_needs_the_packages_of_training(package: str) -> None:
    strays = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in (ROOT / package).rglob("*.py")
        for name in imported(path)
        if name in TRAINING_ONLY
    }
    assert not strays
