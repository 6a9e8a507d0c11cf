"""A picture of the same bytes: the best file of a picture codec that is no longer than the stolen bitstream.

    picture --shrink to a side, colour or grey--> codec at a quality --file of at most so many bytes--> decode --enlarge--> PSNR

Every side, colour and quality of a grid is tried, and the nearest picture by PSNR is taken.
Only somebody who has the original can do that, so it bounds what such a file could show.
The whole file counts, headers included.
Law: no chosen file is longer than its budget.
"""

from __future__ import annotations

import json
import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from tqdm import tqdm

from experiments.codecs.picture_codecs import Avif, Jpeg, PictureCodec, Webp
from experiments.privacy.judge import enlarged
from experiments.privacy.pictures import UInt8Array

QUALITIES: Mapping[str, tuple[int, ...]] = {
    "jpeg": (1, 3, 6, 10, 15, 20, 30, 40, 50, 65, 80, 95),
    "webp": (0, 5, 10, 20, 30, 40, 55, 70, 85),
    "avif": (0, 10, 20, 30, 40, 50, 60),
}
SIDES: Mapping[str, tuple[int, ...]] = {
    "jpeg": (4, 6, 8, 12, 16, 20, 24, 32, 40, 48, 64),
    "webp": (8, 12, 16, 24, 32, 40, 48, 64, 80, 96, 128),
    "avif": (8, 16, 24, 32, 48, 64),
}
CHUNK = 16
JUDGED_PX = 64
"""Candidates are compared at this many pixels a side: so few bytes hold nothing finer, and a search takes a sixteenth of the time."""
CODECS: tuple[PictureCodec, ...] = (Jpeg(), Webp(), Avif())


@dataclass(frozen=True)
class Fitted:
    """The best file within a budget. side, grey, quality: how it was made. picture: uint8 [side, side] or [side, side, 3], decoded."""

    bytes_: int
    side: int
    grey: bool
    quality: int
    picture: UInt8Array


@dataclass(frozen=True)
class Candidate:
    """One file, and how far from the original its picture is: mean squared error at JUDGED_PX, pixels 0..1."""

    fitted: Fitted
    error: float


@dataclass(frozen=True, eq=False)
class FileSearch:
    """Some pictures, what their files may take (bytes, several for each), and where what was chosen is kept."""

    path: Path
    codec: PictureCodec
    pictures: Sequence[UInt8Array]
    budgets: Sequence[Sequence[int]]


def best_within(candidates: Sequence[Candidate], budget_bytes: int) -> Fitted | None:
    """The nearest picture whose file is at most so long; None where no file is that short."""
    short = [one for one in candidates if one.fitted.bytes_ <= budget_bytes]
    return min(short, key=lambda one: one.error).fitted if short else None


def candidates_of(picture: UInt8Array, codec: PictureCodec, longest_bytes: int) -> list[Candidate]:
    """Every file of the codec's grid of at most `longest_bytes`, of a picture uint8 [H, W, 3]."""
    found = []
    wanted = _at_judged_size(picture)
    for side in SIDES[codec.name]:
        for grey in (True, False):
            for quality in QUALITIES[codec.name]:
                fitted = coded_file(picture, codec, side, grey, quality)
                if fitted.bytes_ > longest_bytes:
                    # files grow with quality: this side has nothing more to offer
                    break
                error = float(np.square(_at_judged_size(fitted.picture) - wanted).mean())
                found.append(Candidate(fitted, error))
    return found


def coded_file(picture: UInt8Array, codec: PictureCodec, side: int, grey: bool, quality: int) -> Fitted:
    """A picture uint8 [H, W, 3] as a file of `side` x `side` pixels, decoded again."""
    small = Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS)
    coded = codec.encode(np.asarray(small.convert("L") if grey else small), quality)
    return Fitted(coded.payload_bytes, side, grey, quality, codec.decode(coded.data))


def as_shown(picture: UInt8Array, side: int) -> torch.Tensor:
    """A decoded picture, grey or colour, as RGB float32 [3, side, side] in 0..1."""
    rgb = np.repeat(picture[:, :, None], 3, 2) if picture.ndim == 2 else picture
    return enlarged(torch.from_numpy(np.array(rgb)).permute(2, 0, 1)[None].float() / 255, side)[0]


def _at_judged_size(picture: UInt8Array) -> NDArray[np.float32]:
    shown = Image.fromarray(picture).convert("RGB").resize((JUDGED_PX, JUDGED_PX), Image.Resampling.BICUBIC)
    return np.asarray(shown, np.float32) / 255


def fitted_files(
    folder: Path, pictures: Sequence[UInt8Array], budgets: Sequence[Sequence[int]], codec: PictureCodec, workers: int
) -> list[list[Fitted | None]]:
    """Return for each picture the best file within each of its budgets (bytes). Results are kept in `folder`, chunk by chunk."""
    chunks = [
        FileSearch(
            folder / f"{codec.name}-{first:05}.json",
            codec,
            pictures[first : first + CHUNK],
            budgets[first : first + CHUNK],
        )
        for first in range(0, len(pictures), CHUNK)
    ]
    label = f"{codec.name} of as many bytes"
    if workers == 1:
        done = [search(chunk) for chunk in tqdm(chunks, desc=label, mininterval=5.0)]
    else:
        with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), torch.set_num_threads, (1,)) as pool:
            done = list(tqdm(pool.map(search, chunks), total=len(chunks), desc=label, mininterval=5.0))
    return [of_picture for chunk in done for of_picture in chunk]


def search(chunk: FileSearch) -> list[list[Fitted | None]]:
    """Search a chunk, or make the files again that an earlier search on the same grid and budgets chose."""
    grid = [SIDES[chunk.codec.name], QUALITIES[chunk.codec.name], [list(of) for of in chunk.budgets]]
    asked = json.loads(json.dumps(grid))
    kept = json.loads(chunk.path.read_text()) if chunk.path.exists() else None
    if kept is None or kept["asked"] != asked:
        found = []
        for picture, budgets in zip(chunk.pictures, chunk.budgets, strict=True):
            candidates = candidates_of(picture, chunk.codec, max(budgets))
            found.append([best_within(candidates, budget) for budget in budgets])
        chosen = [[None if one is None else [one.side, one.grey, one.quality] for one in of] for of in found]
        chunk.path.parent.mkdir(parents=True, exist_ok=True)
        chunk.path.write_text(json.dumps({"asked": asked, "chosen": chosen}))
        return found
    return [
        [None if one is None else coded_file(picture, chunk.codec, *one) for one in of]
        for picture, of in zip(chunk.pictures, kept["chosen"], strict=True)
    ]
