"""The trained hyper-synthesis in integers: what `entropy.npz` holds (docs/format.md).

Weights get 12 fractional bits and biases 20, activations 8: fine enough that nothing needs to be trained again, and
`shared/codec/hyper_synthesis.py` computes with them exactly.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from shared.codec.hyper_synthesis import ACTIVATION_BITS, WEIGHT_BITS
from training.networks.codec import GroupCodec
from training.networks.hyperprior import INDEX_UNIT, SCALES, RateLinear

BIAS_BITS = ACTIVATION_BITS + WEIGHT_BITS


def integer_arrays(codec: GroupCodec) -> dict[str, npt.NDArray[np.int32]]:
    """The arrays of `entropy.npz` of one group's codec, by name."""
    synthesis = codec.hyper_synthesis
    layers = {name: getattr(synthesis, name) for name in ("trunk", "coefficients", "hidden", "output")}
    if codec.spec.vector:
        layers |= {name: getattr(synthesis, name) for name in ("vector_hidden", "vector_output")}
    arrays: dict[str, npt.NDArray[np.int32]] = {}
    for name, layer in layers.items():
        assert isinstance(layer, RateLinear)
        unit = torch.ones(len(layer.weight))
        if name.endswith("output"):
            # The second half of the rows is the scale, in units of the grid here and in eighths of it in training.
            unit[len(unit) // 2 :] = INDEX_UNIT
        arrays[f"{name}_weight"] = _fixed(layer.weight.cpu() * unit[:, None], WEIGHT_BITS)
        arrays[f"{name}_bias"] = _fixed(layer.bias.cpu() * unit, BIAS_BITS)
    arrays["codebook"] = _fixed(synthesis.codebook, WEIGHT_BITS)
    # Index 0 would make an element of v certain, and side information is always coded.
    arrays["side_scale_index"] = (
        (codec.side_scale * INDEX_UNIT).detach().cpu().round().clamp(1, SCALES - 1).numpy().astype(np.int32)
    )
    return arrays


def _fixed(values: Tensor, fractional_bits: int) -> npt.NDArray[np.int32]:
    scaled = np.rint(values.detach().cpu().double().numpy() * 2.0**fractional_bits)
    if np.abs(scaled).max() >= 2**31:
        raise ValueError(
            f"a hyper-synthesis parameter of {np.abs(values.detach().numpy()).max():.3g} does not fit into 32 bits"
        )
    return scaled.astype(np.int32)
