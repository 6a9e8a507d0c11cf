"""One run of `taxon encode` on good and bad pictures together, which many tests look at."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.support.pictures import png_that_claims, room
from tests.support.services import Finished, taxon


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
    "truncated.jpg": "the picture is truncated: 2 of its 4 block rows are there",
    "truncated.png": "the picture is truncated: 2 of its 8 block rows are there",
    "tiny.png": "1x1",
    "huge.png": "million",
    "absent.jpg": "No such file",
    "folder.jpg": "Is a directory",
}


@pytest.fixture(scope="session")
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
    (folder / "huge.png").write_bytes(png_that_claims(20_000, 20_000))
    (folder / "folder.jpg").mkdir()

    suffixes = {"jpeg": "jpg", "webp": "webp"}
    good = [folder / f"{name}.{suffixes.get(name, 'png')}" for name in GOOD]
    bad = [folder / name for name in BAD]
    mixed = [path for pair in zip(good, bad, strict=True) for path in pair]
    output = folder / "out"
    return Encoding(taxon("encode", *mixed, "-o", output, bundle=tiny_bundle_directory), output)


@pytest.fixture(scope="session")
def bitstream(encoding: Encoding) -> bytes:
    return encoding.bitstream("upright.png")
