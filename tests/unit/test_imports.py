"""The weight of an import: how many modules, and whose, a fresh interpreter loads.

    fresh interpreter --import--> modules beyond those of a bare one --> their number, and the libraries among them

Laws: no import becomes heavier than it was when these numbers were written; no service loads what only training needs.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass

import pytest

from tests.support.source_tree import NOT_PRODUCT, ROOT, files_of, packages

pytestmark = pytest.mark.starts_process

HELP = """
from taxon.main import main
try:
    main(["--help"])
except SystemExit:
    pass
"""
CLIENT = "from taxon import CameraClient, Subscriber, Wish"
MOST_MODULES = {"import taxon": 20, CLIENT: 365, HELP: 115}
"""So many modules at most. With Python 3.11 and every extra they were 12 (what looks a name up), 353 and 106.

Another Python's own library differs by a few. A lighter import lowers its number here; none is raised without a reason beside it.
"""
OPTIONAL = {
    "attr",
    "cython_runtime",
    "greenlet",
    "grpc_health",
    "grpc_reflection",
    "grpc_tools",
    "pygments",
    "typing_extensions",
}
"""What those libraries load where it is installed; gRPC looks for its own additions."""
CLIENT_LIBRARIES = {"google", "grpc", "grpc_status", "numpy"}
TRAINING_ONLY = {"torch", "torchvision", "compressai", "matplotlib", "scipy", "onnx", "mitsuba"}
SERVICES = ("shared", "edge_encoder", "cloud_analytics")

_REPORT = "import json, sys; print(chr(10) + json.dumps(sorted(sys.modules)))"


@dataclass(frozen=True)
class Loaded:
    """The modules that some code loads beyond those of a bare interpreter."""

    modules: frozenset[str]

    @property
    def libraries(self) -> set[str]:
        """Return the top-level names that are neither Python's nor ours."""
        tops = {name.partition(".")[0] for name in self.modules}
        return {top for top in tops - sys.stdlib_module_names - set(packages()) if not top.startswith("_")}


def loaded(code: str) -> Loaded:
    """Return what this code loads in an interpreter of its own, which starts at the root of the tree."""
    return Loaded(frozenset(_modules(code) - _modules("")))


def _modules(code: str) -> set[str]:
    ran = subprocess.run(
        [sys.executable, "-c", f"{code}\n{_REPORT}"],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr
    return set(json.loads(ran.stdout.splitlines()[-1]))


@pytest.mark.parametrize("code", MOST_MODULES, ids=["taxon", "client", "help"])
def test_an_import_is_no_heavier_than_it_was(code: str) -> None:
    found = loaded(code).modules
    assert len(found) <= MOST_MODULES[code], sorted(found)


def test_a_client_loads_grpc_protobuf_numpy_and_the_wire() -> None:
    found = loaded(CLIENT)
    assert found.libraries <= CLIENT_LIBRARIES | OPTIONAL
    rooms = {".".join(name.split(".")[:2]) for name in found.modules if name.startswith(("shared.", "taxon."))}
    assert rooms <= {"shared.contract", "shared.errors", "shared.transport", "shared.wire", "taxon.client"}


def test_the_command_answers_for_help_without_any_library() -> None:
    assert not loaded(HELP).libraries


@pytest.mark.parametrize("package", SERVICES)
def test_no_module_of_the_services_loads_what_only_training_needs(package: str) -> None:
    names = [
        ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
        for path in files_of([package])
        if path.stem != "__main__"
    ]
    found = loaded("\n".join(f"import {name}" for name in names))
    assert found.modules >= set(names)
    assert not found.libraries & TRAINING_ONLY
    others = set(packages()) - {*SERVICES[:1], package} | NOT_PRODUCT
    assert not {name for name in found.modules if name.partition(".")[0] in others}
