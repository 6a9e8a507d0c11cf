"""What a release carries: licences that the project may pass on, every file by hash, and versions that the trials name."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.trials.crossarch.prepare import OLDEST_NUMPY, OLDEST_RUNTIME, locked

ROOT = Path(__file__).resolve().parents[3]
SERVICES = ("services-cpu", "video")
ALLOWED = {
    "3-Clause BSD License",
    "Apache Software License",
    "Apache-2.0",
    "BSD License",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "MIT",
    "MIT License",
    "MIT-0",
    "MIT-CMU",
    "PSF-2.0",
}
"""Permissive ones; docs/supply-chain.md says what they ask."""


def pinned(lock: str) -> dict[str, int]:
    """The packages of a lock file and how many hashes each has."""
    entries = re.split(r"^(?=[a-z0-9])", (ROOT / "requirements" / f"{lock}.lock").read_text(), flags=re.MULTILINE)
    return {
        re.split(r"[=\[]", entry)[0]: entry.count("--hash=sha256:") for entry in entries if re.match(r"[a-z0-9]", entry)
    }


def allowed(licence: str) -> bool:
    """Whether an SPDX expression or a metadata field asks for nothing beyond the allowed: one side of an OR, all of an AND."""
    return any(all(part.strip("() ") in ALLOWED for part in side.split(" AND ")) for side in licence.split(" OR "))


@pytest.mark.starts_process
def test_no_package_of_the_services_has_a_licence_outside_the_list() -> None:
    names = sorted({name for lock in SERVICES for name in pinned(lock)})
    command = [sys.executable, "-m", "piplicenses", "--from=mixed", "--format=json", "--packages", *names]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    licences = {re.sub(r"[-_.]+", "-", one["Name"]).lower(): one["License"] for one in json.loads(done.stdout)}
    assert set(licences) == set(names), "every locked package is installed here and names its licence"
    assert {name: licence for name, licence in licences.items() if not allowed(licence)} == {}


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        ("MIT", True),
        ("MIT OR GPL-3.0-only", True),
        ("Apache-2.0 AND BSD-2-Clause", True),
        ("MIT AND GPL-3.0-only", False),
        ("GNU General Public License v3 (GPLv3)", False),
        ("UNKNOWN", False),
    ],
)
def test_a_licence_is_judged_by_what_it_asks(licence: str, expected: bool) -> None:
    assert allowed(licence) is expected


@pytest.mark.parametrize("lock", ["all", "cpu", "services-cpu", "services-gpu", "video"])
def test_every_locked_package_has_hashes(lock: str) -> None:
    packages = pinned(lock)
    assert packages
    assert [name for name, hashes in packages.items() if hashes == 0] == []


def test_the_oldest_versions_that_are_tried_are_the_oldest_that_are_allowed() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert f'"numpy>={OLDEST_NUMPY.removesuffix(".0")}"' in text
    assert f'"onnxruntime>={OLDEST_RUNTIME.removesuffix(".0")}"' in text


def test_the_emulated_machine_gets_locked_packages_with_all_their_hashes() -> None:
    (entry,) = locked("numpy")
    assert entry.count("--hash=sha256:") == pinned("all")["numpy"]
