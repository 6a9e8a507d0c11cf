"""Builds `shared/wire` from `proto/`, and packs the shipped bundle and clips into the wheel (pyproject.toml has everything else).

    proto/taxon/v1/*.proto --protoc, mypy-protobuf--> shared/wire/*_pb2.py, *_pb2_grpc.py, *.pyi
    models/, samples/ --------copied, in a wheel----> taxon/shipped/models/, taxon/shipped/samples/

The generated modules import one another by the proto package's path, which is this project's command; they are moved
to `shared.wire` here. Generated code is built, never edited and never committed.
"""

from __future__ import annotations

import re
import shutil
import sys
from pathlib import Path

from setuptools import setup
from setuptools.command.build_py import build_py
from setuptools.command.editable_wheel import editable_wheel

ROOT = Path(__file__).parent
WIRE = ROOT / "shared" / "wire"
PLUGINS = ("mypy", "mypy_grpc")
OWN_IMPORT = re.compile(r"^(from|import) taxon\.v1\b", re.MULTILINE)
SHIPPED = ("models", "samples")


def generate() -> None:
    """Writes `shared/wire` anew; raises SystemExit where protoc refuses a contract."""
    from grpc_tools import protoc  # here, so that commands which build nothing do without it

    protos = sorted(str(path.relative_to(ROOT / "proto")) for path in (ROOT / "proto").rglob("*.proto"))
    made = ROOT / "build" / "wire"
    shutil.rmtree(made, ignore_errors=True)
    made.mkdir(parents=True)
    # The plug-ins lie beside the interpreter, which need not be on PATH, or on PATH alone where pip isolates the build.
    plugins = [f"--plugin=protoc-gen-{name}={_program(f'protoc-gen-{name}')}" for name in PLUGINS]
    outputs = [f"--{kind}_out={made}" for kind in ("python", "grpc_python", "mypy", "mypy_grpc")]
    include = [f"-I{ROOT / 'proto'}", f"-I{Path(protoc.__file__).parent / '_proto'}", f"-I{_google_rpc()}"]
    if status := protoc.main(["protoc", *include, *plugins, *outputs, *protos]):
        raise SystemExit(f"protoc refused proto/ with status {status}")
    for old in WIRE.glob("*_pb2*"):
        old.unlink()
    for path in sorted((made / "taxon" / "v1").iterdir()):
        (WIRE / path.name).write_text(OWN_IMPORT.sub(r"\1 shared.wire", path.read_text()))


def _program(name: str) -> Path:
    """Return where a build tool's program is."""
    folder = str(Path(sys.executable).parent)
    found = shutil.which(name, path=folder) or shutil.which(name)
    if found is None:
        raise SystemExit(f"{name} is missing: the build needs what requirements/build.in lists")
    return Path(found)


def _google_rpc() -> Path:
    """Where googleapis-common-protos keeps google/rpc/status.proto."""
    import google.rpc

    return Path(next(iter(google.rpc.__path__))).parents[1]


class BuildWire(build_py):
    """build_py, after the contracts have been compiled."""

    def run(self) -> None:
        """Generates, builds as always, and packs what is shipped beside the code."""
        generate()
        super().run()
        # An editable install finds them in the tree.
        if not self.editable_mode:
            self._pack()

    def _pack(self) -> None:
        """Copies the folders that are there: the images are built without, since they have their bundle elsewhere."""
        packed = Path(self.build_lib) / "taxon" / "shipped"
        shutil.rmtree(packed, ignore_errors=True)
        for folder in SHIPPED:
            if (ROOT / folder).is_dir():
                shutil.copytree(ROOT / folder, packed / folder)


class EditableWire(editable_wheel):
    """editable_wheel, which would not report what goes wrong in build_py."""

    def run(self) -> None:
        """Generates, then builds as always."""
        generate()
        super().run()


setup(cmdclass={"build_py": BuildWire, "editable_wheel": EditableWire})
