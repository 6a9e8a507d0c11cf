"""The controls that the attack's figures are compared with, all judged on the same pixels.

no bits          the mean of the attacker's whole pictures: the best that can be shown of nothing, by PSNR
another's bits   the attack on the bitstream of another frame: what it merely assumes about rooms
no rounding      the attack on the features before quantisation: what the encoder lets through at any rate
a small picture  the best JPEG, WebP or AVIF file of at most as many bytes (experiments.privacy.equal_bytes)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from experiments.privacy.attack import as_pictures
from experiments.privacy.collection import Collection
from experiments.privacy.equal_bytes import Fitted, as_shown
from experiments.privacy.judge import Likeness, likeness


@dataclass(frozen=True)
class SmallPicture:
    """A picture codec at the stolen bitstreams' lengths.

    fits: share of frames for which any file is short enough. bytes_, side_px: means over those. likeness: over all frames; where no file
    fits, the mean picture is shown in its place. None where it never fits.
    """

    fits: float
    bytes_: float | None
    side_px: float | None
    likeness: Likeness | None


def mean_picture(fit: Collection) -> Tensor:
    """float32 [3, S, S] in 0..1: the mean of the attacker's whole pictures, without his crops and colours."""
    whole = np.flatnonzero(np.asarray(fit.numbers) == 0)
    total = torch.zeros(())
    for first in range(0, len(whole), 64):
        total = total + as_pictures(fit.take("small", whole[first : first + 64])).sum(0)
    return total / len(whole)


def others(count: int) -> npt.NDArray[np.int64]:
    """Return for each frame another one, far from it in the split's order, where neighbours may show the same room."""
    return (np.arange(count) + max(1, count // 2)) % count


def small_picture(fitted: Sequence[Fitted | None], wanted: Tensor, instead: Tensor) -> SmallPicture:
    """Return the pictures in the chosen files. wanted: [N, 3, H, W]. instead: [3, S, S], shown where no file fits."""
    sent = [one for one in fitted if one is not None]
    if not sent:
        return SmallPicture(0.0, None, None, None)
    made = torch.stack([as_small(one, instead, wanted.shape[-1]) for one in fitted])
    return SmallPicture(
        len(sent) / len(fitted),
        float(np.mean([one.bytes_ for one in sent])),
        float(np.mean([one.side for one in sent])),
        likeness(made, wanted),
    )


def as_small(fitted: Fitted | None, instead: Tensor, side: int) -> Tensor:
    """float32 [3, side, side]: a file's picture, or `instead`."""
    if fitted is not None:
        return as_shown(fitted.picture, side)
    return as_shown((instead.permute(1, 2, 0) * 255).round().byte().numpy(), side)
