"""A picture of the same bytes: the best file of a picture codec that is no longer than the stolen bitstream.

    picture --shrink to a side, colour or grey--> codec at a quality --file of at most so many bytes--> decode --enlarge--> PSNR

Every side, colour and quality of a grid is tried, and the nearest picture by PSNR is taken, which only somebody who has the original
can do: a bound on what such a file could show. The whole file counts, headers included. Law: no chosen file is longer than its budget.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from training.experiments.picture_codecs import Avif, Jpeg, PictureCodec, Webp
from training.experiments.privacy.judge import enlarged
from training.experiments.privacy.pictures import UInt8Array

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
    """One file, and how far from the original its picture is: mean squared error at the original's size, pixels 0..1."""

    fitted: Fitted
    error: float


def best_within(candidates: Sequence[Candidate], budget_bytes: int) -> Fitted | None:
    """The nearest picture whose file is at most so long; None where no file is that short."""
    short = [one for one in candidates if one.fitted.bytes_ <= budget_bytes]
    return min(short, key=lambda one: one.error).fitted if short else None


def candidates_of(picture: UInt8Array, codec: PictureCodec, longest_bytes: int) -> list[Candidate]:
    """Every file of the codec's grid of at most `longest_bytes`, of a picture uint8 [H, W, 3]."""
    found = []
    original = Image.fromarray(picture)
    for side in SIDES[codec.name]:
        small = original.resize((side, side), Image.Resampling.LANCZOS)
        for grey in (True, False):
            pixels = np.asarray(small.convert("L") if grey else small)
            found += _of_pixels(picture, pixels, codec, longest_bytes)
    return found


def _of_pixels(picture: UInt8Array, pixels: UInt8Array, codec: PictureCodec, longest_bytes: int) -> list[Candidate]:
    found = []
    for quality in QUALITIES[codec.name]:
        coded = codec.encode(pixels, quality)
        if coded.payload_bytes > longest_bytes:
            # files grow with quality: this side has nothing more to offer
            break
        shown = codec.decode(coded.data)
        fitted = Fitted(coded.payload_bytes, len(shown), shown.ndim == 2, quality, shown)
        found.append(Candidate(fitted, _error(picture, shown)))
    return found


def as_shown(picture: UInt8Array, side: int) -> torch.Tensor:
    """A decoded picture, grey or colour, as RGB float32 [3, side, side] in 0..1."""
    rgb = np.repeat(picture[:, :, None], 3, 2) if picture.ndim == 2 else picture
    return enlarged(torch.from_numpy(np.array(rgb)).permute(2, 0, 1)[None].float() / 255, side)[0]


def _error(picture: UInt8Array, shown: UInt8Array) -> float:
    wanted = torch.from_numpy(np.array(picture)).permute(2, 0, 1).float() / 255
    return float((as_shown(shown, len(picture)) - wanted).square().mean())


def fitted_files(
    pictures: Sequence[UInt8Array], budgets: Sequence[Sequence[int]], codec: PictureCodec, workers: int
) -> list[list[Fitted | None]]:
    """For each picture, the best file within each of its budgets (bytes)."""
    work = partial(_fit_one, codec=codec)
    pairs = list(zip(pictures, budgets, strict=True))
    if workers == 1:
        return [work(pair) for pair in tqdm(pairs, desc=f"{codec.name} of equal bytes", mininterval=5.0)]
    with ProcessPoolExecutor(workers, multiprocessing.get_context("spawn"), torch.set_num_threads, (1,)) as pool:
        done = pool.map(work, pairs, chunksize=8)
        return list(tqdm(done, total=len(pairs), desc=f"{codec.name} of equal bytes", mininterval=5.0))


def _fit_one(pair: tuple[UInt8Array, Sequence[int]], codec: PictureCodec) -> list[Fitted | None]:
    picture, budgets = pair
    candidates = candidates_of(picture, codec, max(budgets))
    return [best_within(candidates, budget) for budget in budgets]
