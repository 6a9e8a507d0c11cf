"""How near a picture is to the one that the camera saw: PSNR and SSIM, of every picture at the network's input size.

    pictures [N, 3, h, w] --enlarge--> [N, 3, 256, 256] --PSNR, SSIM against the camera's--> Likeness, means over frames

SSIM is pytorch-msssim's (11-pixel Gaussian window of deviation 1.5, RGB); PSNR is averaged over frames in dB.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import torch
from pytorch_msssim import ssim
from torch import Tensor
from torch.nn import functional as F

BATCH = 32


@dataclass(frozen=True)
class Likeness:
    """Means over frames. psnr_db: higher is nearer. ssim: 1 is the same picture."""

    psnr_db: float
    ssim: float

    def as_json(self) -> dict[str, float]:
        """For a results file."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def psnr_db(made: Tensor, wanted: Tensor) -> Tensor:
    """[N] of pictures [N, 3, H, W] in 0..1; a perfect copy counts as 8 bits allow, 100 dB at most."""
    error = (made - wanted).square().flatten(1).mean(1)
    return -10 * error.clamp_min(1e-10).log10()


def enlarged(pictures: Tensor, side: int) -> Tensor:
    """Pictures [N, 3, h, w] at `side` pixels, in whole levels as a file would hold them."""
    if pictures.shape[-1] != side:
        pictures = F.interpolate(pictures, size=(side, side), mode="bicubic", align_corners=False)
    return (pictures.clamp(0, 1) * 255).round() / 255


@torch.inference_mode()
def likenesses(made: Tensor, wanted: Tensor) -> Tensor:
    """[N, 2]: PSNR in dB and SSIM of each of the pictures [N, 3, h, w] against those wanted [N, 3, H, W], at the latter's size."""
    found = []
    for first in range(0, len(wanted), BATCH):
        own = enlarged(made[first : first + BATCH], wanted.shape[-1])
        true = wanted[first : first + BATCH]
        found.append(torch.stack([psnr_db(own, true), ssim(own, true, data_range=1.0, size_average=False)], 1))
    return torch.cat(found)


def likeness(made: Tensor, wanted: Tensor) -> Likeness:
    """Means of `likenesses`."""
    psnr, structure = likenesses(made, wanted).mean(0).tolist()
    return Likeness(psnr, structure)
