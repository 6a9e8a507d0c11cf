"""The real command on damaged bundles, and on names that a bundle does not have.

What is refused ends in one line on stderr for each refused input, a non-zero exit status, and not a byte written.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from shared.model.bundle import Bundle
from tests.support.pictures import room
from tests.support.services import files_in, taxon

pytestmark = pytest.mark.starts_process


@pytest.fixture
def copied_bundle(tiny_bundle_directory: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny_bundle_directory, tmp_path / "bundle"))


def test_a_whole_bundle_is_verified(tiny_bundle_directory):
    finished = taxon("bundle", "verify", tiny_bundle_directory)
    assert finished.status == 0
    assert Bundle.load(tiny_bundle_directory).digest.hex() in finished.out


def test_a_bundle_with_a_changed_byte_is_refused_by_every_command(copied_bundle, bitstream, tmp_path):
    path = copied_bundle / "backbone.onnx"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    room().save(tmp_path / "a.png")
    (tmp_path / "a.txn").write_bytes(bitstream)
    for command in (
        ("bundle", "verify", copied_bundle),
        ("encode", tmp_path / "a.png", "-o", tmp_path / "out", "--bundle", copied_bundle),
        ("decode", tmp_path / "a.txn", "-o", tmp_path / "out", "--bundle", copied_bundle),
        ("run", tmp_path / "a.png", "-o", tmp_path / "out", "--bundle", copied_bundle),
        ("inspect", tmp_path / "a.txn", "--bundle", copied_bundle),
    ):
        finished = taxon(*command)
        assert finished.status == 1, command
        assert len(finished.errors) == 1
        assert "backbone.onnx" in finished.errors[0]
        assert "SHA-256" in finished.errors[0]
    assert files_in(tmp_path / "out") == []


def test_a_bundle_without_one_of_its_files_is_refused(copied_bundle):
    (copied_bundle / "cdf_tables.npz").unlink()
    finished = taxon("bundle", "verify", copied_bundle)
    assert finished.status == 1
    assert "cdf_tables.npz" in finished.errors[0]
    assert "missing" in finished.errors[0]


def test_a_bundle_of_a_newer_format_is_refused(copied_bundle):
    manifest = json.loads((copied_bundle / "manifest.json").read_text())
    (copied_bundle / "manifest.json").write_text(json.dumps(manifest | {"format": 2}))
    finished = taxon("bundle", "verify", copied_bundle)
    assert finished.status == 1
    assert "format 2" in finished.errors[0]


@pytest.mark.parametrize("content", ["", "{", "[]", '{"format": 1}', "\x00"])
def test_a_manifest_that_is_none_is_refused(copied_bundle, content):
    (copied_bundle / "manifest.json").write_text(content)
    finished = taxon("bundle", "verify", copied_bundle)
    assert finished.status == 1
    assert "manifest.json" in finished.errors[0]


def test_a_bundle_that_is_not_there_is_refused(tmp_path):
    finished = taxon("bundle", "verify", tmp_path / "nowhere")
    assert finished.status == 1
    assert "nowhere" in finished.errors[0]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--rate", "15"), "operating point 15"),
        (("--rate", "-1"), "operating point -1"),
        (("--groups", "audio"), "audio"),
    ],
)
def test_encode_names_what_the_bundle_does_not_have(tiny_bundle_directory, tmp_path, options, said):
    room().save(tmp_path / "a.png")
    finished = taxon("encode", tmp_path / "a.png", "-o", tmp_path / "out", *options, bundle=tiny_bundle_directory)
    assert finished.status == 2
    assert said in finished.errors[0]
    assert files_in(tmp_path / "out") == []


def test_decode_names_a_task_that_does_not_exist(tiny_bundle_directory, bitstream, tmp_path):
    (tmp_path / "a.txn").write_bytes(bitstream)
    finished = taxon(
        "decode", tmp_path / "a.txn", "-o", tmp_path / "out", "--tasks", "depth", bundle=tiny_bundle_directory
    )
    assert finished.status == 2
    assert "depth" in finished.errors[0]
