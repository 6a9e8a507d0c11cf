"""Make values of the published decoders' raw results, by the inverse of the preprocessing that each was trained with.

    raw result [N, C, h, w] --published_result--> values of docs/targets.md, depth in metres

Law: a raw result that equals the preprocessed label gives the label (training/datasets/taskonomy/encodings.py reads it from its file).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional as F

from training.datasets.taskonomy.encodings import STEPS_PER_METRE

# of the stored pixel values, red and green (taskbank/lib/data/load_ops.py, curvature_preprocess)
CURVATURE_MEAN, CURVATURE_DEVIATION = (123.572, 120.1), (31.922, 21.658)
ZERO_CURVATURE = 127.0
# depth is log(1 + stored) / log(2^16) (taskbank/experiments/final/rgb2depth/config.py)
DEPTH_NORMALISER = math.log(2.0**16)


def published_result(task: str, raw: Tensor) -> Tensor:
    """A decoder's raw result [N, C, h, w] -> the values of docs/targets.md, resolution kept; logits stay as they are.

    normal has unit vectors, x right, y up, z towards the camera. reshading is 0..1. principal_curvature has k1 >= k2 in -1..1,
    in units of 1 / (3 cm). depth is in metres, 0 to 128. The raw ranges are those of the
    stored labels' encoding; training/datasets/taskonomy/encodings.py gives the sources of the signs.
    """
    if task == "normal":
        x, y, z = raw.unbind(1)
        # what is seen faces the camera
        z_is_towards_it = z.mean((1, 2), keepdim=True) > 0
        return F.normalize(torch.stack([x, -y, torch.where(z_is_towards_it, z, -z)], 1), dim=1)
    if task == "reshading":
        return ((raw + 1.0) / 2.0).clamp(0, 1)
    if task == "principal_curvature":
        mean, deviation = (raw.new_tensor(values)[:, None, None] for values in (CURVATURE_MEAN, CURVATURE_DEVIATION))
        scaled = ((raw * deviation + mean) / ZERO_CURVATURE - 1.0).clamp(-1, 1)
        return torch.cat([scaled.amax(1, True), scaled.amin(1, True)], 1)
    if task == "depth":
        return torch.expm1(raw.clamp(0, 1) * DEPTH_NORMALISER) / STEPS_PER_METRE
    return raw
