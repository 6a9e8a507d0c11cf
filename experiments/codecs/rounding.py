"""Rate-distortion-optimised rounding in the encoder: the decoder and the bitstream stay as they are.

    y * gain --round--> z0 --v, mu, sigma--> each z_k moves one step towards mu_k where the bits saved outweigh the error added

At high rate a uniform quantiser with entropy coding trades bits for squared error at 6 / ln 2 bits per squared step (dR = -dlnD / (2 ln 2),
D = step^2 / 12). That is the exchange rate here: a constant, never tuned.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from training.networks.codec import GroupCodec

BITS_PER_SQUARED_STEP = 6 / math.log(2)


@torch.inference_mode()
def optimised_rounding(codec: GroupCodec, scaled: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
    """z [N, K] and the v [N, V] to send with it; v is z0's, as the prediction that the choice was made with needs it."""
    z = scaled.round()
    v = codec.side_information(z, rate)
    mean, index = codec.prediction(v, z, rate)
    scale = codec.scale(index)
    nearer = z - torch.sign(z - mean.round())
    saved = element_bits(codec, z, scale, mean) - element_bits(codec, nearer, scale, mean)
    added = (nearer - scaled).square() - (z - scaled).square()
    return torch.where(saved > BITS_PER_SQUARED_STEP * added, nearer, z), v


def element_bits(codec: GroupCodec, z: Tensor, scale: Tensor, mean: Tensor) -> Tensor:
    """Bits of every element [N, K] by the model."""
    return -codec.entropy.likelihood_lower_bound(codec.entropy._likelihood(z, scale, mean)).log2()
