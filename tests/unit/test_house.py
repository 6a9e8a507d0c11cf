"""The house's law of direction, read from the sources: who may import whom, and in which order the folders of a package stand.

A package's folders and top modules stand on floors. A module imports from its own folder and from the floors below, never
sideways and never upwards, so that each package can be read from the ground up (docs/architecture.md).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cache
from graphlib import CycleError, TopologicalSorter
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

FLOORS: dict[str, list[set[str]]] = {
    "shared": [
        {"errors", "wire", "telemetry"},
        {"codec", "contract", "transport"},
        {"model", "sources"},
        {"server"},
        {"client"},
    ],
    "edge_encoder": [
        {"frames", "encoding", "control"},
        {"spool", "cameras", "sight"},
        {"metrics"},
        {"pipeline", "uplink"},
        {"settings"},
        {"ingest"},
        {"assembly"},
        {"service"},
    ],
    "cloud_analytics": [
        {"frames", "settings", "decoding"},
        {"rendering", "metrics"},
        {"journal", "analysis", "readiness", "wall"},
        {"results", "wishes"},
        {"pipeline"},
        {"uplink"},
        {"subscribers"},
        {"assembly"},
        {"service"},
    ],
    "training": [
        {"datasets"},
        {"networks", "loop"},
        {"data"},
        {"losses"},
        {"stages"},
        {"export"},
        {"commands"},
    ],
    "experiments": [
        {"codecs", "suites"},
        {"runs", "summary"},
        {"report"},
        {"table1", "table3", "table4", "privacy"},
        {"table2", "rd"},
        {"commands"},
    ],
    "tools": [{"rooms"}],
    "taxon": [
        {"errors", "client"},
        {"defaults", "edge_api", "files", "results"},
        {"codec", "sheet", "evaluation", "live", "preview"},
        {"commands"},
        {"main"},
        {"__main__"},
    ],
}

CLIENT_NEEDS = {"errors", "contract", "transport", "wire"}
"""All that `taxon.client` takes from `shared`: a camera's machine has gRPC, protobuf and numpy, and nothing of a service."""

TRAINING_ONLY = {"torch", "torchvision", "compressai", "matplotlib", "scipy", "onnx", "mitsuba"}


def files_of(package: str) -> list[Path]:
    """The package's own sources; what is generated from `proto/` imports as its generator likes."""
    return [path for path in sorted((ROOT / package).rglob("*.py")) if not path.match("shared/wire/*_pb2*")]


@cache
def imported(path: Path) -> frozenset[str]:
    """The dotted names that a module imports, also within functions; a module's name where that is what is imported."""
    return frozenset(_imported(path))


def _imported(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module is not None:
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                yield whole if file_of(whole) is not None else node.module


def file_of(module: str) -> Path | None:
    """Where one of the project's modules is written; None for what is no module of its."""
    path = ROOT / module.replace(".", "/")
    candidates = (path.with_suffix(".py"), path / "__init__.py")
    return next((candidate for candidate in candidates if candidate.is_file()), None)


def room_of(package: str, path: Path) -> str:
    """The folder or top module of a package that a file stands in."""
    return path.relative_to(ROOT / package).parts[0].removesuffix(".py")


@pytest.mark.parametrize("package", MAY_USE)
def test_packages_import_one_way(package: str) -> None:
    strays = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files_of(package)
        for name in imported(path)
        if (top := name.split(".")[0]) in MAY_USE and top not in MAY_USE[package]
    }
    assert not strays


@pytest.mark.parametrize("package", FLOORS)
def test_folders_import_from_the_floors_below(package: str) -> None:
    floor = {room: number for number, rooms in enumerate(FLOORS[package]) for room in rooms}
    strays = set()
    for path in files_of(package):
        room = room_of(package, path)
        if room == "__init__":
            continue
        assert room in floor, f"{package}/{room} stands on no floor: give it one in FLOORS"
        for name in imported(path):
            parts = name.split(".")
            if parts[0] != package or len(parts) < 2 or parts[1] == room or parts[1] not in floor:
                continue
            if floor[parts[1]] >= floor[room]:
                strays.add(f"{path.relative_to(ROOT)} imports {name}")
    assert not strays


def test_every_room_that_has_a_floor_exists() -> None:
    missing = {
        f"{package}/{room}"
        for package, floors in FLOORS.items()
        for room in set().union(*floors)
        if not (ROOT / package / room).is_dir() and not (ROOT / package / f"{room}.py").is_file()
    }
    assert not missing


def test_no_file_imports_itself_by_way_of_others() -> None:
    files = [path for package in MAY_USE for path in files_of(package)]
    needs = {path: {file for name in imported(path) if (file := file_of(name)) is not None} for path in files}
    try:
        TopologicalSorter(needs).prepare()
    except CycleError as error:
        pytest.fail("a circle: " + " -> ".join(str(path.relative_to(ROOT)) for path in error.args[1]))


def test_the_stores_of_the_journal_do_not_know_each_other() -> None:
    journal = ROOT / "cloud_analytics" / "journal"
    strays = {
        f"{path.relative_to(ROOT)} imports {name}"
        for one, other in (("local", "jetstream"), ("jetstream", "local"))
        for path in (journal / one).rglob("*.py")
        for name in imported(path)
        if name.startswith(f"cloud_analytics.journal.{other}")
    }
    assert not strays


def test_a_client_needs_no_part_of_a_service() -> None:
    strays = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files_of("taxon/client")
        for name in imported(path)
        if (parts := name.split("."))[0] in MAY_USE
        and not (parts[0] == "shared" and len(parts) > 1 and parts[1] in CLIENT_NEEDS)
        and parts[:2] != ["taxon", "client"]
    }
    assert not strays


@pytest.mark.parametrize("package", ["shared", "edge_encoder", "cloud_analytics", "taxon"])
def test_nothing_but_training_needs_the_packages_of_training(package: str) -> None:
    strays = {
        f"{path.relative_to(ROOT)} imports {name}"
        for path in files_of(package)
        for name in imported(path)
        if name.split(".")[0] in TRAINING_ONLY
    }
    assert not strays


@pytest.mark.parametrize(("package", "most"), [("cloud_analytics", 10), ("edge_encoder", 6)])
def test_a_service_has_few_files_outside_its_folders(package: str, most: int) -> None:
    assert len(list((ROOT / package).glob("*.py"))) <= most


MOST_ARGUMENTS = 6
"""An argument that belongs with others goes into a record that has a name."""


def test_constructors_have_few_arguments() -> None:
    long = {
        f"{path.relative_to(ROOT)}: {owner.name}.__init__ takes {count}"
        for package in MAY_USE
        for path in files_of(package)
        for owner in ast.walk(ast.parse(path.read_text()))
        if isinstance(owner, ast.ClassDef)
        for function in owner.body
        if isinstance(function, ast.FunctionDef) and function.name == "__init__"
        if (count := len(function.args.posonlyargs + function.args.args + function.args.kwonlyargs) - 1)
        > MOST_ARGUMENTS
    }
    assert not long


def test_benchmarks_use_of_the_tests_their_helpers_alone() -> None:
    strays = {
        f"{path.relative_to(ROOT)} imports {node.module}"
        for path in (ROOT / "benchmarks").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tests"
        if not (node.module or "").startswith("tests.support")
    }
    assert not strays
