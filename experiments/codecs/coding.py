"""Real bytes of a latent, by each scheme's own coder, decoded again before they are counted.

    codebook, context  our integer CDF tables and range coder (shared/codec), v then z: one substream
    hyperprior, scale  CompressAI's rANS: one string of the hyper-latent, one of z (and two more of a vector part)

An encoder may round better than to the nearest (`optimised_rounding`); the decoder and the bitstream stay as they are.
Law: what D gets is what the bytes decode to.
"""

from __future__ import annotations

import copy
import math
import tempfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from experiments.codecs.schemes import CONTEXT_GROUPS, HyperpriorCodec
from shared.codec.cdf_tables import CdfTables
from shared.codec.entropy_codec import EntropyCodec
from shared.codec.hyper_synthesis import LatentShape, Prediction
from shared.codec.latents import Latent
from shared.errors import TaxonError
from training.export.cdf_tables import save_cdf_tables
from training.networks.codec import GroupCodec, TransformCodec
from training.networks.hyperprior import INDEX_UNIT, SCALES
from training.networks.layers import at_rate

SIXTEENTHS = 16
BITS_PER_SQUARED_STEP = 6 / math.log(2)
"""The exchange rate of bits and squared error for a uniform quantiser with entropy coding at high rate; a constant, never tuned.

dR = -dlnD / (2 ln 2), D = step^2 / 12.
"""


class DecodingError(TaxonError):
    """Bytes that did not decode to what was coded: a fault of a coder or of a prediction that is not repeatable."""


@dataclass(frozen=True)
class CodedZ:
    """z float32 [K] as decoded, the bytes that it took, and those of them that are side information (None: one string holds both)."""

    z: Tensor
    payload_bytes: int
    side_bytes: int | None


class CodebookCoder:
    """Codes z and v of a codebook codec at one operating point, which may lie between two trained ones."""

    def __init__(self, codec: GroupCodec, rate: float) -> None:
        self.codec, self.rate = codec, torch.tensor([rate])
        self.synthesis = FloatSynthesis(codec, self.rate)
        self.tables = cdf_tables()
        self.coder = EntropyCodec(0, self.synthesis, self.tables, bytes(32))  # type: ignore[arg-type]

    def code(self, z: Tensor, v: Tensor) -> CodedZ:
        """z [K] and v [V], whole numbers. Raises DecodingError."""
        latent = Latent(_integers(z), _integers(v), 0, None, None)
        # a symbol that is certain is set, which with context changes what is said of later groups: once per group at most
        for _ in range(CONTEXT_GROUPS + 1):
            self.synthesis.known_z = torch.from_numpy(latent.z)[None].float()
            coded = self.coder.encode(latent)
            if np.array_equal(coded.latent.z, latent.z):
                break
            latent = coded.latent
        decoded = self.coder.decode(coded.substream)
        if not (np.array_equal(decoded.z, coded.latent.z) and np.array_equal(decoded.v, coded.latent.v)):
            raise DecodingError("a latent did not decode to itself")
        return CodedZ(torch.from_numpy(coded.latent.z).float(), len(coded.substream.payload), None)


class FloatSynthesis:
    """The trained hyper-synthesis where `shared.codec.entropy_codec` expects its integer twin: same grids, one operating point.

    Good for measuring within one process; what is shipped is computed in integers (training.export.quantise). `known_z`: of a codec
    with context, whose prediction needs z too; that it uses none but the groups before is a property of its masks (tested).
    """

    def __init__(self, codec: GroupCodec, rate: Tensor) -> None:
        self.codec, self.rate = codec, rate
        spec = codec.spec
        self.shape = LatentShape(spec.channels, spec.height, spec.width, spec.vector)
        scale = at_rate(codec.side_scale, rate) * INDEX_UNIT
        self.side_scale_index = scale.detach().round().clamp(1, SCALES - 1).long().numpy()
        self.rates, self.side = 1, spec.side_information
        self.known_z: Tensor | None = None

    def predict(
        self, v: npt.NDArray[np.int64], rate: npt.NDArray[np.int64], scales: int, shape: LatentShape
    ) -> Prediction:
        """As shared.codec.hyper_synthesis.HyperSynthesis.predict, of one frame; `rate` is 0, the only one, and `shape` the codec's own."""
        with torch.inference_mode():
            z = self.known_z if self.known_z is not None else torch.empty(0)
            mean, index = self.codec.prediction(torch.from_numpy(v).float(), z, self.rate)
        return Prediction((mean * SIXTEENTHS).round().long().numpy(), index.round().clamp(0, scales - 1).long().numpy())


class HyperpriorCoder:
    """Codes z of a CompressAI hyperprior through its own `compress` and `decompress`."""

    def __init__(self, codec: HyperpriorCodec, rate: int) -> None:
        self.codec, self.rate = codec, torch.tensor([rate])

    @torch.inference_mode()
    def code(self, y: Tensor) -> CodedZ:
        """y float32 [K] before rounding. Raises DecodingError."""
        codec, rate = self.codec, int(self.rate)
        spatial, vector = codec.split(y[None])
        hyper, hyper_vector = codec.analyse(spatial, vector, self.rate)
        decoded: list[Tensor] = []
        side = 0
        for name, values in (("bottlenecks", hyper), ("vector_bottlenecks", hyper_vector)):
            if values.shape[1]:
                bottleneck: Any = getattr(codec, name)[rate]
                strings = bottleneck.compress(values)
                decoded.append(bottleneck.decompress(strings, values.shape[2:]))
                side += len(strings[0])
            else:
                decoded.append(values)
        mean, scale = codec.synthesise(decoded[0], decoded[1], self.rate)
        gaussian = codec.gaussian
        indices = gaussian.build_indexes(scale)
        strings = gaussian.compress(y[None], indices, means=mean)
        z = gaussian.decompress(strings, indices, means=mean)
        if not torch.allclose(z, (y[None] - mean).round() + mean, atol=1e-4):
            raise DecodingError("a latent did not decode to itself")
        return CodedZ(z[0], side + len(strings[0]), side)


def coder_of(codec: TransformCodec, rate: float) -> CodebookCoder | HyperpriorCoder:
    """The coder of a codec at an operating point; it works on the CPU, whose results do not depend on what else is computed."""
    if any(parameter.is_cuda for parameter in codec.parameters()):
        codec = copy.deepcopy(codec).cpu()
    codec.eval()
    if isinstance(codec, HyperpriorCodec):
        return HyperpriorCoder(codec, int(rate))
    assert isinstance(codec, GroupCodec)
    return CodebookCoder(codec, rate)


@cache
def cdf_tables() -> CdfTables:
    """The integer tables of a bundle, built once (2 s); they are never changed."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "cdf_tables.npz"
        save_cdf_tables(path)
        return CdfTables.load(path)


def _integers(values: Tensor) -> npt.NDArray[np.int64]:
    return values.detach().round().long().numpy()


@torch.inference_mode()
def optimised_rounding(codec: GroupCodec, scaled: Tensor, rate: Tensor) -> tuple[Tensor, Tensor]:
    """z [N, K] and the v [N, V] to send with it: each z_k moves one step towards its mean where the bits saved outweigh the error added.

    v is that of the nearest z, as the prediction that the choice was made with needs it.
    """
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
