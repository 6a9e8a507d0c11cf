"""`taxon decode`, `inspect` and `run` on whole, damaged and foreign bitstreams.

What is refused ends in one line on stderr for each refused input, a non-zero exit status, and not a byte written.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest
from PIL import Image

from shared.model.bundle import Bundle
from tests.support.pictures import room
from tests.support.services import Finished, files_in, taxon

pytestmark = pytest.mark.starts_process

DENSE_FILES = {
    "segment_semantic.png": "RGB",
    "segment_semantic_ids.png": "L",
    "normal.png": "RGB",
    "reshading.png": "L",
    "principal_curvature.png": "RGB",
}


def decode_all(folder: Path, contents: Sequence[bytes], bundle: Path) -> tuple[Finished, Path]:
    for number, content in enumerate(contents):
        (folder / f"f{number:05d}.txn").write_bytes(content)
    output = folder / "out"
    return taxon("decode", *sorted(folder.glob("*.txn")), "-o", output, bundle=bundle), output


def test_decode_writes_a_png_for_each_dense_task_and_the_classes_as_json(tiny_bundle_directory, bitstream, tmp_path):
    finished, output = decode_all(tmp_path, [bitstream], tiny_bundle_directory)
    assert (finished.status, finished.errors) == (0, ())
    assert files_in(output) == sorted(f"f00000.{suffix}" for suffix in (*DENSE_FILES, "json"))
    size = Bundle.load(tiny_bundle_directory).manifest.input
    for suffix, mode in DENSE_FILES.items():
        with Image.open(output / f"f00000.{suffix}") as picture:
            assert (picture.size, picture.mode) == ((size.width, size.height), mode), suffix
    document = json.loads((output / "f00000.json").read_text())
    assert document["bytes"] == len(bitstream)
    for task in ("class_scene", "class_object"):
        probabilities = [entry["probability"] for entry in document[task]]
        assert probabilities == sorted(probabilities, reverse=True)
        assert 0 < sum(probabilities) <= 1.001
    assert sum(entry["share"] for entry in document["segment_semantic"]) == pytest.approx(1, abs=1e-3)


def test_decode_computes_only_the_tasks_that_are_asked_for(tiny_bundle_directory, bitstream, tmp_path):
    (tmp_path / "a.txn").write_bytes(bitstream)
    finished = taxon(
        "decode",
        tmp_path / "a.txn",
        "-o",
        tmp_path / "out",
        "--tasks",
        "normal,class_scene",
        bundle=tiny_bundle_directory,
    )
    assert finished.status == 0
    assert files_in(tmp_path / "out") == ["a.json", "a.normal.png"]
    assert "class_object" not in json.loads((tmp_path / "out" / "a.json").read_text())


def test_a_group_alone_is_smaller_and_holds_no_other_tasks(tiny_bundle_directory, bitstream, tmp_path):
    room().save(tmp_path / "a.png")
    encoded = taxon(
        "encode",
        tmp_path / "a.png",
        "-o",
        tmp_path,
        "--groups",
        "geometry",
        "--rate",
        "0",
        bundle=tiny_bundle_directory,
    )
    assert encoded.status == 0
    assert "geometry" in encoded.out
    assert "semantic" not in encoded.out
    alone = (tmp_path / "a.txn").read_bytes()
    assert len(alone) < len(bitstream)
    decoded = taxon("decode", tmp_path / "a.txn", "-o", tmp_path / "all", bundle=tiny_bundle_directory)
    assert decoded.status == 0
    assert files_in(tmp_path / "all") == ["a.json", "a.normal.png", "a.principal_curvature.png", "a.reshading.png"]
    wanting = taxon(
        "decode", tmp_path / "a.txn", "-o", tmp_path / "none", "--tasks", "class_scene", bundle=tiny_bundle_directory
    )
    assert wanting.status == 1
    assert "semantic" in wanting.error_about("a.txn")
    assert files_in(tmp_path / "none") == []


def test_no_flipped_bit_yields_a_result(tiny_bundle_directory, bitstream, tmp_path):
    """Every bit of the header and of what frames the first substream, and of the rest every thirteenth."""
    places = [bit for bit in range(8 * len(bitstream)) if bit < 8 * 16 or bit % 13 == 0]
    flipped = []
    for bit in places:
        damaged = bytearray(bitstream)
        damaged[bit // 8] ^= 1 << bit % 8
        flipped.append(bytes(damaged))
    finished, output = decode_all(tmp_path, flipped, tiny_bundle_directory)
    assert finished.status == 1
    assert files_in(output) == []
    assert len(finished.errors) == len(flipped)


def test_no_truncated_bitstream_yields_a_result(tiny_bundle_directory, bitstream, tmp_path):
    lengths = sorted({*range(20), *range(20, len(bitstream), 7), len(bitstream) - 1})
    finished, output = decode_all(tmp_path, [bitstream[:length] for length in lengths], tiny_bundle_directory)
    assert finished.status == 1
    assert files_in(output) == []
    assert len(finished.errors) == len(lengths)


def test_foreign_and_newer_bitstreams_are_refused_with_the_reason_and_the_good_one_is_decoded(
    tiny_bundle_directory, bitstream, tmp_path
):
    room().save(tmp_path / "picture.txn", format="PNG")
    (tmp_path / "newer.txn").write_bytes(bitstream[:1] + bytes([0x20 | bitstream[1] & 15]) + bitstream[2:])
    (tmp_path / "other.txn").write_bytes(bitstream[:2] + bytes(4) + bitstream[6:])
    (tmp_path / "longer.txn").write_bytes(bitstream + b"\0")
    (tmp_path / "good.txn").write_bytes(bitstream)
    names = ("picture", "newer", "other", "longer", "good", "absent")
    finished = taxon(
        "decode", *(tmp_path / f"{name}.txn" for name in names), "-o", tmp_path / "out", bundle=tiny_bundle_directory
    )
    assert finished.status == 1
    assert {name.split(".")[0] for name in files_in(tmp_path / "out")} == {"good"}
    assert "no Taxon bitstream" in finished.error_about("picture.txn")
    assert "version 2" in finished.error_about("newer.txn")
    assert "00000000" in finished.error_about("other.txn")
    assert "No such file" in finished.error_about("absent.txn")
    finished.error_about("longer.txn")


def test_inspect_says_what_a_bitstream_holds(tiny_bundle_directory, bitstream, tmp_path):
    (tmp_path / "a.txn").write_bytes(bitstream)
    finished = taxon("inspect", tmp_path / "a.txn", bundle=tiny_bundle_directory)
    assert finished.status == 0
    for said in (f"{len(bitstream)} bytes", "version", "CRC-32C", "semantic", "geometry", "cross-entropy", "zero"):
        assert said in finished.out


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda data: data[:9], "ends after 9 bytes"),
        (lambda data: data[:-1] + bytes([data[-1] ^ 1]), "damaged"),
        (lambda data: b"GIF89a", "no Taxon bitstream"),
    ],
)
def test_inspect_refuses_what_decode_refuses(tiny_bundle_directory, bitstream, tmp_path, damage, said):
    (tmp_path / "a.txn").write_bytes(damage(bitstream))
    finished = taxon("inspect", tmp_path / "a.txn", bundle=tiny_bundle_directory)
    assert finished.status == 1
    assert said in finished.errors[0]


def test_run_writes_the_bytes_the_results_and_a_sheet(tiny_bundle_directory, bitstream, tmp_path):
    room().save(tmp_path / "upright.png")
    finished = taxon("run", tmp_path / "upright.png", "-o", tmp_path / "out", bundle=tiny_bundle_directory)
    assert finished.status == 0
    assert (tmp_path / "out" / "upright.txn").read_bytes() == bitstream
    assert f"{len(bitstream)} bytes" in finished.out
    assert set(files_in(tmp_path / "out")) >= {
        f"upright.{suffix}" for suffix in (*DENSE_FILES, "json", "txn", "sheet.png")
    }
    with Image.open(tmp_path / "out" / "upright.sheet.png") as sheet:
        assert sheet.size == (1920, 1080)


def test_a_file_without_an_end_is_refused(tiny_bundle_directory, tmp_path):
    finished = taxon("encode", "/dev/zero", "-o", tmp_path / "out", bundle=tiny_bundle_directory)
    assert finished.status == 1
    assert "256 MiB" in finished.errors[0]
    assert files_in(tmp_path) == []


def test_an_output_folder_that_is_a_file_is_named(tiny_bundle_directory, tmp_path):
    room().save(tmp_path / "a.png")
    finished = taxon("encode", tmp_path / "a.png", "-o", tmp_path / "a.png", bundle=tiny_bundle_directory)
    assert finished.status == 1
    assert "cannot write" in finished.error_about("a.png")
    assert files_in(tmp_path) == ["a.png"]
