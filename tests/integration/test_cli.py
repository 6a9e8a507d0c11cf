"""The real command `taxon` in a process of its own, on good input and on every kind of bad input that we know.

What is refused ends in one line on stderr for each refused input, a non-zero exit status, and not a byte written.
"""

from __future__ import annotations

import json
import shutil
import struct
import subprocess
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shared.bundle import Bundle
from tests.tiny_bundle import write_tiny_bundle

DENSE_FILES = {
    "segment_semantic.png": "RGB",
    "segment_semantic_ids.png": "L",
    "normal.png": "RGB",
    "reshading.png": "L",
    "principal_curvature.png": "RGB",
}


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    status: int
    out: str
    errors: tuple[str, ...]

    def error_about(self, name: str) -> str:
        """The one error line that names a file."""
        found = [line for line in self.errors if f"/{name}:" in line]
        assert len(found) == 1, f"expected one error line about {name}, got {self.errors}"
        return found[0]


def taxon(*arguments: object, bundle: Path | None = None, cwd: Path | None = None) -> Finished:
    """Run the command. Whatever happens, its stderr consists of lines that begin with `taxon: `."""
    argv = [sys.executable, "-m", "taxon", *map(str, arguments)]
    if bundle is not None:
        argv += ["--bundle", str(bundle)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, cwd=cwd, check=False)
    errors = tuple(done.stderr.splitlines())
    strays = [line for line in errors if not line.startswith("taxon: ") and not line.startswith("evaluate ")]
    assert not strays, done.stderr
    return Finished(done.returncode, done.stdout, tuple(line for line in errors if line.startswith("taxon: ")))


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file()) if folder.exists() else []


def room(width: int = 96, height: int = 64) -> Image.Image:
    """A picture whose corners differ, so that a turned one is another picture."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, 255 - across], axis=-1).astype(np.uint8))


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims to be of this size, and has the pixels of one line at most."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(bytes(64))) + chunk(b"IEND", b"")
    )


# --- Pictures


@dataclass(frozen=True)
class Encoding:
    """One `encode` of good and bad pictures together."""

    finished: Finished
    output: Path

    def bitstream(self, name: str) -> bytes:
        return (self.output / f"{name}.txn").read_bytes()


GOOD = ("upright", "turned", "grey", "grey16", "alpha", "palette", "jpeg", "webp")
BAD = {
    "text.jpg": "not a picture",
    "empty.jpg": "not a picture",
    "truncated.jpg": "damaged or truncated",
    "truncated.png": "damaged or truncated",
    "tiny.png": "1x1",
    "huge.png": "million",
    "absent.jpg": "No such file",
    "folder.jpg": "Is a directory",
}


@pytest.fixture(scope="module")
def encoding(tiny_bundle_directory: Path, tmp_path_factory: pytest.TempPathFactory) -> Encoding:
    folder = tmp_path_factory.mktemp("pictures")
    picture = room()
    picture.save(folder / "upright.png")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise by a quarter to stand upright
    picture.transpose(Image.Transpose.ROTATE_90).save(folder / "turned.png", exif=exif)
    picture.convert("L").save(folder / "grey.png")
    Image.fromarray(np.asarray(picture.convert("L")).astype(np.uint16) * 257).save(folder / "grey16.png")
    picture.convert("RGBA").save(folder / "alpha.png")
    picture.convert("P").save(folder / "palette.png")
    picture.save(folder / "jpeg.jpg", quality=95)
    picture.save(folder / "webp.webp", lossless=True)

    (folder / "text.jpg").write_text("not a picture at all")
    (folder / "empty.jpg").touch()
    (folder / "truncated.jpg").write_bytes((folder / "jpeg.jpg").read_bytes()[:-400])
    (folder / "truncated.png").write_bytes((folder / "upright.png").read_bytes()[:-100])
    Image.new("RGB", (1, 1)).save(folder / "tiny.png")
    (folder / "huge.png").write_bytes(png_header(20_000, 20_000))
    (folder / "folder.jpg").mkdir()

    suffixes = {"jpeg": "jpg", "webp": "webp"}
    good = [folder / f"{name}.{suffixes.get(name, 'png')}" for name in GOOD]
    bad = [folder / name for name in BAD]
    mixed = [path for pair in zip(good, bad, strict=True) for path in pair]
    output = folder / "out"
    return Encoding(taxon("encode", *mixed, "-o", output, bundle=tiny_bundle_directory), output)


def stem(encoding: Encoding, name: str) -> str:
    """Inputs share stems (truncated.jpg, truncated.png), so all are named with their suffix."""
    (found,) = (path.name.removesuffix(".txn") for path in encoding.output.glob(f"{name}.*.txn"))
    return found


def test_the_good_pictures_among_bad_ones_are_encoded_and_nothing_else_is_written(encoding):
    assert encoding.finished.status == 1
    assert [name.split(".")[0] for name in files_in(encoding.output)] == sorted(GOOD)
    for name in GOOD:
        assert (
            f"{stem(encoding, name)}.txn: {len(encoding.bitstream(stem(encoding, name)))} bytes"
            in encoding.finished.out
        )


@pytest.mark.parametrize(("name", "said"), BAD.items())
def test_a_bad_picture_is_refused_in_one_line(encoding, name, said):
    assert len(encoding.finished.errors) == len(BAD)
    assert said in encoding.finished.error_about(name)


def test_a_turned_picture_is_turned_upright(encoding):
    assert encoding.bitstream("turned.png") == encoding.bitstream("upright.png")


def test_lossless_ways_to_store_the_same_picture_give_the_same_bytes(encoding):
    assert encoding.bitstream("alpha.png") == encoding.bitstream("upright.png")
    assert encoding.bitstream("webp.webp") == encoding.bitstream("upright.png")
    assert encoding.bitstream("grey16.png") == encoding.bitstream("grey.png")


# --- Bitstreams


@pytest.fixture(scope="module")
def bitstream(encoding: Encoding) -> bytes:
    return encoding.bitstream("upright.png")


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


# --- inspect, run


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


# --- Bundles


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


# --- Names that do not exist


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


# --- evaluate


@pytest.fixture(scope="module")
def bundle_256(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny bundle at the data sets' frame size."""
    directory = tmp_path_factory.mktemp("models") / "tiny" / "256"
    write_tiny_bundle(directory, scale=8)
    return directory


@pytest.fixture
def labelled_photos(tmp_path: Path) -> Path:
    folder = tmp_path / "photos"
    folder.mkdir()
    lines = ["file,class_index,split"]
    for number in range(3):
        room(96 + number, 64).save(folder / f"{number}.png")
        lines.append(f"{number}.png,{number},test")
    (folder / "labels.csv").write_text("\n".join(lines) + "\n")
    return folder


def test_evaluate_measures_rates_and_object_classes_of_labelled_photos(bundle_256, labelled_photos, tmp_path):
    report = tmp_path / "figures.json"
    finished = taxon(
        "evaluate", "--data", labelled_photos, "--split", "test", "--rate", "all", "--json", report, bundle=bundle_256
    )
    assert (finished.status, finished.errors) == (0, ())
    document = json.loads(report.read_text())
    manifest = Bundle.load(bundle_256).manifest
    assert (document["frames"], document["lossless_frames"]) == (3, 3)
    indices = [point["rate_index"] for point in document["operating_points"]]
    assert indices[0] == manifest.default_rate
    assert sorted(indices) == [point.rate for point in manifest.operating_points]
    for point in document["operating_points"]:
        assert set(point["rate"]) == {*(group.name for group in manifest.groups), "total"}
        for rate in point["rate"].values():
            assert set(rate) == {"cross_entropy_bpp", "coded_bpp", "bytes_per_frame"}
            coded, cross_entropy = (256 * 256 * rate[figure] for figure in ("coded_bpp", "cross_entropy_bpp"))
            # A payload's length is known from its framing, which is why the coder can end a few bits early.
            assert 0 < cross_entropy - 16 <= coded <= 1.02 * cross_entropy + 16 * len(manifest.groups)
        assert set(point["tasks"]) == {"class_object"}
        assert 0 <= point["tasks"]["class_object"]["top1"] <= 1
        assert set(point["tasks"]["class_object"]["uncompressed"]) == {"top1"}
    assert "class_object" in finished.out


def test_evaluates_bytes_are_the_bytes_that_encode_writes(bundle_256, labelled_photos, tmp_path):
    report = tmp_path / "figures.json"
    assert (
        taxon(
            "evaluate", "--data", labelled_photos, "--split", "test", "--limit", 1, "--json", report, bundle=bundle_256
        ).status
        == 0
    )
    assert taxon("encode", labelled_photos / "0.png", "-o", tmp_path, bundle=bundle_256).status == 0
    total = json.loads(report.read_text())["operating_points"][0]["rate"]["total"]
    assert total["bytes_per_frame"] == len((tmp_path / "0.txn").read_bytes())


@pytest.mark.parametrize(
    ("data", "split", "said"),
    [("nowhere", "test", "nowhere"), ("photos", "dusk", "dusk"), ("empty", "test", "empty")],
)
def test_data_that_is_missing_is_named(bundle_256, labelled_photos, tmp_path, data, split, said):
    (tmp_path / "empty").mkdir()
    report = tmp_path / "figures.json"
    finished = taxon("evaluate", "--data", tmp_path / data, "--split", split, "--json", report, bundle=bundle_256)
    assert finished.status == 1
    assert len(finished.errors) == 1
    assert said in finished.errors[0]
    assert not report.exists()


@pytest.mark.parametrize(
    "labels", ["", "file\n0.png\n", "file,class_index\n0.png,chair\n", "file,class_index\n0.png,1000\n", "\x00"]
)
def test_labels_that_make_no_sense_are_refused(bundle_256, labelled_photos, labels):
    (labelled_photos / "labels.csv").write_text(labels)
    finished = taxon("evaluate", "--data", labelled_photos, "--split", "all", bundle=bundle_256)
    assert finished.status == 1
    assert len(finished.errors) == 1


def test_figures_that_could_not_be_written_are_not_computed(bundle_256, labelled_photos):
    finished = taxon(
        "evaluate", "--data", labelled_photos, "--split", "test", "--json", labelled_photos, bundle=bundle_256
    )
    assert finished.status == 1
    assert "it is a folder" in finished.errors[0]
    assert finished.out == ""


def test_a_photo_that_is_listed_but_missing_is_named(bundle_256, labelled_photos, tmp_path):
    (labelled_photos / "1.png").unlink()
    report = tmp_path / "figures.json"
    finished = taxon("evaluate", "--data", labelled_photos, "--split", "test", "--json", report, bundle=bundle_256)
    assert finished.status == 1
    assert "1.png" in finished.errors[0]
    assert not report.exists()


def test_the_installed_command_is_this_one(tmp_path):
    script = Path(sys.executable).with_name("taxon")
    done = subprocess.run([script, "--help"], capture_output=True, text=True, cwd=tmp_path, check=False)
    assert done.returncode == 0
    assert "evaluate" in done.stdout
