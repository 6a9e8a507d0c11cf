"""Test whether a stolen bitstream tells which picture it is of.

A gallery's pictures are encoded by the public bundle, and the nearest is taken.

    stolen bitstream --z--> distance to every gallery picture's z at the same operating point --> rank of the true one

The gallery holds the true picture as the thief would have it: the very pixels, a copy saved again as JPEG, or one cut by a few per cent.
Distances are Euclidean over the latents (spatial and vector), each channel by its own deviation over the gallery.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import Image

from experiments.privacy.bitstreams import Seen
from experiments.privacy.pictures import SourcePicture, UInt8Array, views_of

JPEG_QUALITY = 50
CUT_SHARE = 0.04
FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Found:
    """Shares of the stolen bitstreams whose true picture was nearest (first), or among the ten nearest. gallery: its pictures."""

    first: float
    among_ten: float
    gallery: int


def saved_again(picture: UInt8Array) -> UInt8Array:
    """The picture out of a JPEG file of quality 50."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=JPEG_QUALITY)
    return np.asarray(Image.open(file).convert("RGB"))


def cut(picture: UInt8Array) -> UInt8Array:
    """The picture without its left and upper rim, at the old size, out of a JPEG file."""
    height, width = picture.shape[:2]
    box = (round(CUT_SHARE * width), round(CUT_SHARE * height), width, height)
    return saved_again(np.asarray(Image.fromarray(picture).crop(box).resize((width, height), Image.Resampling.BICUBIC)))


THE_SAME = "the same pixels"
COPIES: Mapping[str, Callable[[UInt8Array], UInt8Array]] = {
    THE_SAME: lambda picture: picture,
    "saved again as JPEG": saved_again,
    "cut and saved again": cut,
}


def copied(source: SourcePicture, kind: str) -> Image.Image:
    """A source's whole picture at the network's input size, as the thief has it (`kind` of COPIES)."""
    return Image.fromarray(COPIES[kind](views_of(source, 0)[0]))


def found_in(stolen: Seen, copies: Seen, distractors: Seen) -> Found:
    """Return how often the true picture (`copies`, in the order of `stolen`) is nearest among all copies and distractors."""
    gallery = np.concatenate([_flat(copies), _flat(distractors)])
    deviation = gallery.std(0)
    factor = np.where(deviation > 1e-3, 1 / np.maximum(deviation, 1e-3), 0.0)
    ranks = ranks_of(_flat(stolen) * factor, gallery * factor)
    return Found(float((ranks == 0).mean()), float((ranks < 10).mean()), len(gallery))


def ranks_of(stolen: FloatArray, gallery: FloatArray) -> npt.NDArray[np.int64]:
    """int64 [N]: how many gallery rows [M, D] are nearer to row i of `stolen` [N, D] than the gallery's row i, or as near and before it."""
    squares = (gallery**2).sum(1)
    ranks = []
    for i, one in enumerate(stolen):
        # the squared distance less |one|^2, which all rows share
        distance = squares - 2 * (gallery @ one)
        nearer = (distance < distance[i]).sum() + (distance[:i] == distance[i]).sum()
        ranks.append(int(nearer))
    return np.array(ranks, np.int64)


def _flat(seen: Seen) -> FloatArray:
    return np.concatenate([seen.latent.reshape(len(seen.latent), -1), seen.vector], 1).astype(np.float64)
