"""What strangers meet first is true: the README's codec, the list of public names, the citation, the hooks.

Law: a page at the front of the project says nothing that a program here contradicts.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

import taxon
from tests.support.source_tree import ROOT

SCREENS_LINES = 130
"""Two screens with pictures and a table."""
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def test_the_readme_is_two_screens() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= SCREENS_LINES


def test_the_readmes_codec_makes_bytes_and_normals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    [lines] = re.findall(
        r"((?:^(?:    .*)?\n)*^    codec = .*\n(?:^    .*\n)*)", (ROOT / "README.md").read_text(), re.MULTILINE
    )
    shutil.copy(ROOT / "samples" / "kitchen" / "030.jpg", tmp_path / "photo.jpg")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {}
    exec("\n".join(line.removeprefix("    ") for line in lines.splitlines()), names)
    assert 200 <= len(names["data"]) <= 300
    assert names["normals"].dtype == np.float32
    assert names["normals"].shape == (256, 256, 3)


def test_the_page_of_installing_lists_every_public_name() -> None:
    section = (ROOT / "docs" / "install.md").read_text().split("## What to import")[1]
    listed = [
        name for row in re.findall(r"^\| (`.+?) \|", section, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)
    ]
    assert sorted(listed) == sorted(taxon.__all__)


@pytest.mark.starts_process
def test_the_citation_keeps_to_its_format_and_names_this_release() -> None:
    file = ROOT / "CITATION.cff"
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.citation-file-format", str(file)]
    checked = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert checked.returncode == 0, checked.stdout + checked.stderr
    citation = yaml.safe_load(file.read_text())
    assert citation["version"] == PROJECT["version"]
    assert citation["license"] in PROJECT["license"].split(" AND "), "what is cited is the code, not the pictures"
    assert [one["title"] for one in citation["references"]] == [
        "Revisit Visual Representation in Analytics Taxonomy: A Compression Perspective"
    ]


def test_the_changelog_has_this_release() -> None:
    headings = re.findall(r"^## \[(.+?)\](?: - (\S+))?$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings[0] == ("Unreleased", "")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert (PROJECT["version"], citation["date-released"]) in headings


def test_hooks_run_what_the_project_installs_and_fetch_nothing() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())
    assert [one["repo"] for one in config["repos"]] == ["local"]
    for hook in config["repos"][0]["hooks"]:
        assert hook["language"] == "system"
        words = hook["entry"].split()
        assert words[0].startswith(".venv/bin/")
        assert all((ROOT / word).is_file() for word in words if word.startswith("tests/")), hook["id"]
