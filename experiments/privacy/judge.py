"""Judge how near a picture is to the one that the camera saw: PSNR, SSIM and correlation at the network's input size.

    pictures [N, 3, h, w] --enlarge--> [N, 3, 256, 256] --compared with the camera's--> Likeness, means over frames

SSIM is pytorch-msssim's (11-pixel Gaussian window of deviation 1.5, RGB); PSNR is averaged over frames in dB. Both punish a wrong
brightness more than a wrong layout, so the correlation of light and dark, which knows neither brightness nor contrast, stands beside them.
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
    """Means over frames. psnr_db: higher is nearer. ssim: 1 is the same picture. correlation: of the grey values, -1..1."""

    psnr_db: float
    ssim: float
    correlation: float

    def as_json(self) -> dict[str, float]:
        """Return the figures as a results file keeps them."""
        return {name: round(value, 4) for name, value in asdict(self).items()}


def psnr_db(made: Tensor, wanted: Tensor) -> Tensor:
    """[N] of pictures [N, 3, H, W] in 0..1; a perfect copy counts as 8 bits allow, 100 dB at most."""
    error = (made - wanted).square().flatten(1).mean(1)
    return -10 * error.clamp_min(1e-10).log10()


def correlation(made: Tensor, wanted: Tensor) -> Tensor:
    """[N]: Pearson's correlation of the grey values (BT.601) of pictures [N, 3, H, W]; 0 for a picture of one grey."""
    weights = torch.tensor([0.299, 0.587, 0.114], device=made.device).view(3, 1, 1)
    own, true = ((picture * weights).sum(1).flatten(1) for picture in (made, wanted))
    return F.cosine_similarity(own - own.mean(1, keepdim=True), true - true.mean(1, keepdim=True))


def enlarged(pictures: Tensor, side: int) -> Tensor:
    """Pictures [N, 3, h, w] at `side` pixels, in whole levels as a file would hold them."""
    if pictures.shape[-1] != side:
        pictures = F.interpolate(pictures, size=(side, side), mode="bicubic", align_corners=False)
    return (pictures.clamp(0, 1) * 255).round() / 255


@torch.inference_mode()
def likenesses(made: Tensor, wanted: Tensor) -> Tensor:
    """[N, 3]: PSNR in dB, SSIM and correlation of pictures [N, 3, h, w], each against its one of `wanted` [N, 3, H, W], at that size."""
    found = []
    for first in range(0, len(wanted), BATCH):
        own = enlarged(made[first : first + BATCH], wanted.shape[-1])
        true = wanted[first : first + BATCH]
        structure = ssim(own, true, data_range=1.0, size_average=False)
        found.append(torch.stack([psnr_db(own, true), structure, correlation(own, true)], 1))
    return torch.cat(found)


def likeness(made: Tensor, wanted: Tensor) -> Likeness:
    """Means of `likenesses`."""
    return Likeness(*likenesses(made, wanted).mean(0).tolist())
