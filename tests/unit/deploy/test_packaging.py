"""What pyproject.toml promises of an installation, against what the build makes and what the lock files pin.

Law: generated code runs with every grpcio and protobuf that the base install allows.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[3]
WIRE = ROOT / "shared" / "wire"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
BASE = [Requirement(text) for text in PROJECT["project"]["dependencies"]]
EXTRAS = {
    extra: [Requirement(text) for text in texts] for extra, texts in PROJECT["project"]["optional-dependencies"].items()
}
CLIENT = {"googleapis-common-protos", "grpcio", "grpcio-status", "numpy", "protobuf", "typing-extensions"}
RUNTIMES = {"onnxruntime", "onnxruntime-gpu"}


def floor(requirements: Iterable[Requirement], name: str) -> Version:
    """Return the oldest version that a list allows, for every Python."""
    [found] = [one for one in requirements if one.name == name and one.marker is None]
    [version] = [part.version for part in found.specifier if part.operator == ">="]
    return Version(version)


def packages_of(extra: str) -> set[str]:
    """Return the names of what an extra installs, also by the extras that it is made of."""
    names: set[str] = set()
    for one in EXTRAS[extra]:
        if one.name != "taxon":
            names.add(one.name)
        for inner in one.extras if one.name == "taxon" else ():
            names |= packages_of(inner)
    return names


def build_requirements() -> dict[str, Requirement]:
    return {one.name: one for one in map(Requirement, PROJECT["build-system"]["requires"])}


def test_generated_code_runs_with_the_oldest_grpcio_that_is_allowed() -> None:
    versions = {
        found[1]
        for path in WIRE.glob("*_pb2_grpc.py")
        for found in re.finditer(r"^GRPC_GENERATED_VERSION = '(.+)'$", path.read_text(), re.MULTILINE)
    }
    assert [Version(one) for one in versions] == [floor(BASE, "grpcio")]


def test_generated_code_runs_with_the_oldest_protobuf_that_is_allowed() -> None:
    versions = {
        ".".join(re.findall(r"\d+", found[1]))
        for path in WIRE.glob("*_pb2.py")
        for found in re.finditer(r"Domain\.PUBLIC,\s+((?:\d+,\s+){3})", path.read_text())
    }
    assert [Version(one) for one in versions] == [floor(BASE, "protobuf")]


def test_every_build_compiles_the_contracts_with_the_same_compiler() -> None:
    in_isolation = build_requirements()["grpcio-tools"].specifier
    lines = (ROOT / "requirements" / "build.in").read_text().splitlines()
    [locked] = [Requirement(line).specifier for line in lines if line.startswith("grpcio-tools")]
    assert in_isolation == locked
    assert [part.operator for part in locked] == ["=="]


def test_all_packages_of_grpc_have_one_floor() -> None:
    names = [one for one in (*BASE, *EXTRAS["service"]) if one.name.startswith("grpcio")]
    assert len({str(one.specifier) for one in names}) == 1


def test_the_base_install_is_the_client() -> None:
    assert {one.name for one in BASE} == CLIENT


@pytest.mark.parametrize("extra", ["edge", "cloud", "cpu", "gpu", "cuda"])
def test_an_extra_brings_one_runtime_and_what_the_services_share(extra: str) -> None:
    packages = packages_of(extra)
    assert len(packages & RUNTIMES) == 1
    assert packages_of("service") <= packages
    assert not packages & {"torch", "torchvision", "compressai"}


def test_cpu_is_both_services() -> None:
    assert packages_of("cpu") == packages_of("edge") | packages_of("cloud")
    assert packages_of("gpu") - RUNTIMES == packages_of("cpu") - RUNTIMES


@pytest.mark.parametrize("python", ["3.11", "3.12", "3.13"])
def test_the_services_lock_has_one_numpy_for_each_python(python: str) -> None:
    entries = re.findall(r"^(numpy==\S+ ; .+?) \\$", (ROOT / "requirements" / "cpu.lock").read_text(), re.MULTILINE)
    machine = {
        "python_version": python,
        "python_full_version": f"{python}.5",
        "sys_platform": "linux",
        "platform_python_implementation": "CPython",
    }
    found = [one for one in map(Requirement, entries) if one.marker is not None and one.marker.evaluate(machine)]
    assert len(found) == 1
