"""The entropy codec of one task group: a latent becomes a substream, and the substream the same latent.

    Latent (v, z, rate) -> certain symbols set -> v with N(0, sigma_j), z with the hyperprior's (mean, scale) -> Substream

v, the side information, is coded first, since the hyperprior needs it (paper 3.1: p(z) = p(v) p(z|v)). A symbol of
scale index 0 is certain: it costs neither bits nor time.

Laws: decode(encode(x).substream) == encode(x).latent for every x, on every machine. What is not exactly an output of
encode is refused, after work that the latent's size bounds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import google_crc32c
import numpy as np
from numpy.typing import NDArray

from shared.codec import range_coder as coder
from shared.codec.bitstream import VERSION, Substream
from shared.codec.cdf_tables import FRACTIONS, CdfTables
from shared.codec.hyper_synthesis import HyperSynthesis, LatentShape
from shared.codec.latents import Latent
from shared.errors import BundleError, CorruptBitstream, LatentError

IntArray = NDArray[np.int64]

_ZERO_MEAN = FRACTIONS // 2
"""The fraction of a mean that is a whole number: table (s, f) has the mean (f - 8)/16."""

_HALF = 1 << (coder.FREQUENCY_BITS - 1)
_LARGEST_PREFIX = 16
"""The most zeros of an escape's Exp-Golomb prefix: an int16 is at most 2^15 + 2^8 away from a rounded mean."""

_LARGEST_GROWTH = 16
"""A latent of another resolution may be this many times the bundle's: it bounds the work that few bytes can ask for."""


@dataclass(frozen=True, eq=False)
class CodedLatent:
    """The result of `encode`.

    latent: what the decoder will see, which is the input with the certain symbols set. cross_entropy_bits: the sum of
    -log2 of the integer tables (paper eq. 6), to be compared with 8 * len(substream.payload). side_information_bits:
    the part of them that is the side information v's (paper 3.1); the rest is the latent z's.
    """

    substream: Substream
    latent: Latent
    cross_entropy_bits: float
    side_information_bits: float


@dataclass(frozen=True, eq=False)
class _Model:
    """The table of each symbol of a sequence. base: the number that is added to the coded symbol; all are int64 [n]."""

    base: IntArray
    fraction: IntArray
    scale: IntArray

    @classmethod
    def of(cls, mean: IntArray, scale: IntArray) -> _Model:
        base = (mean + 8) >> 4
        return cls(base, mean - 16 * base + _ZERO_MEAN, scale)

    @property
    def coded(self) -> IntArray:
        """The indices of the symbols that are not certain."""
        return np.flatnonzero(self.scale)


class EntropyCodec:
    """The codec for the latents of one task group of one bundle."""

    def __init__(self, group_id: int, synthesis: HyperSynthesis, tables: CdfTables, digest: bytes) -> None:
        """group_id: 0..15. digest: the bundle's 32 bytes, which are part of every check sum."""
        if not 0 <= group_id < 16 or len(digest) != 32:
            raise ValueError(f"a group id is 0..15 and a digest 32 bytes, not {group_id} and {len(digest)}")
        if synthesis.side_scale_index.min() < 0 or synthesis.side_scale_index.max() >= tables.scales:
            raise BundleError("side_scale_index", f"must lie in 0..{tables.scales - 1}; export the bundle again")
        self.group_id = group_id
        self.shape = synthesis.shape
        self._synthesis = synthesis
        self._tables = tables
        self._digest = digest

    def encode(self, latent: Latent) -> CodedLatent:
        """Code one latent; raises LatentError where its shape is wrong or a value needs more than 16 bits."""
        shape = self._shape_of(latent)
        self._check(latent, shape)
        side = self._side_model(latent.rate)
        v = np.where(side.scale > 0, latent.v, side.base)
        main = self._main_model(v, latent.rate, shape)
        z = np.where(main.scale > 0, latent.z, main.base)
        model = _Model(*(np.concatenate(pair) for pair in zip(_fields(side), _fields(main), strict=True)))
        symbols = np.concatenate([v, z]) - model.base
        coded = model.coded
        values, scale, fraction = symbols[coded], model.scale[coded], model.fraction[coded]
        substream = Substream(
            self.group_id, latent.rate, self._crc(v, z, latent.rate, shape), self._payload(values, scale, fraction)
        )
        bits = self._tables.cross_entropy_bits(values, scale, fraction)
        made = Latent(z, v, latent.rate, latent.height, latent.width)
        return CodedLatent(substream, made, float(bits.sum()), float(bits[coded < len(v)].sum()))

    def decode(self, substream: Substream, height: int | None = None, width: int | None = None) -> Latent:
        """Return the latent that was coded; raises CorruptBitstream. height, width: as in `Latent`."""
        if substream.group_id != self.group_id or substream.rate >= self._synthesis.rates:
            raise CorruptBitstream(
                f"substream of group {substream.group_id} at rate {substream.rate} is not one of group {self.group_id} "
                f"with {self._synthesis.rates} operating points: damaged, or sent to the wrong decoder"
            )
        rate = substream.rate
        try:
            shape = self._shape_of(Latent(np.empty(0, np.int64), np.empty(0, np.int64), rate, height, width))
        except LatentError as error:
            raise CorruptBitstream(f"{error}; the bitstream's header is damaged") from error
        reader = coder.RangeDecoder(substream.payload)
        v = self._read(reader, self._side_model(rate))
        z = self._read(reader, self._main_model(v, rate, shape))
        reader.finish()
        if self._crc(v, z, rate, shape) != substream.crc:
            raise CorruptBitstream("the check sum does not match the decoded symbols: damaged; ask for the frame again")
        return Latent(z, v, rate, height, width)

    def _side_model(self, rate: int) -> _Model:
        """Return the model of the side information, v_j ~ N(0, sigma_j), with one sigma for each operating point."""
        scale = self._synthesis.side_scale_index[rate]
        return _Model.of(np.zeros_like(scale), scale)

    def _main_model(self, v: IntArray, rate: int, shape: LatentShape) -> _Model:
        prediction = self._synthesis.predict(v[None], np.array([rate]), self._tables.scales, shape)
        return _Model.of(prediction.mean[0], prediction.scale[0])

    def _payload(self, values: IntArray, scale: IntArray, fraction: IntArray) -> bytes:
        start, frequency, excess = self._tables.lookup(values, scale, fraction)
        starts, frequencies = start.tolist(), frequency.tolist()
        # Work goes from the back, so that an insertion does not move the places that are still to come.
        for place in np.flatnonzero(excess > 0)[::-1].tolist():
            bits = _escape_bits(int(values[place]) < 0, int(excess[place]))
            starts[place + 1 : place + 1] = [bit * _HALF for bit in bits]
            frequencies[place + 1 : place + 1] = [_HALF] * len(bits)
        return coder.encode(starts, frequencies)

    def _read(self, reader: coder.RangeDecoder, model: _Model) -> IntArray:
        coded = model.coded
        scale = model.scale[coded]
        lists = self._tables.lists
        tables = (scale * FRACTIONS + model.fraction[coded]).tolist()
        upcoming: Iterator[list[int]] = map(lists.__getitem__, tables)
        radius = self._tables.radius[scale]
        indices: list[int] = []
        escapes: list[tuple[int, int]] = []
        while len(indices) < len(tables):
            indices += reader.until_escape(upcoming)
            last = len(indices) - 1
            if indices[last] == 2 * radius[last] + 1:
                escapes.append((last, _read_escape(reader, int(radius[last]))))
        values = np.array(indices, np.int64) - radius
        for place, value in escapes:
            values[place] = value
        symbols = model.base.copy()
        symbols[coded] += values
        if symbols.size and (symbols.min() < -(1 << 15) or symbols.max() >= 1 << 15):
            raise CorruptBitstream("a decoded symbol needs more than 16 bits: damaged; ask for the frame again")
        return symbols

    def _crc(self, v: IntArray, z: IntArray, rate: int, shape: LatentShape) -> int:
        """Return the CRC-32C of what the payload stands for, so that a wrong model is noticed like a wrong bit."""
        head = bytes([VERSION]) + self._digest + bytes([shape.height, shape.width, self.group_id << 4 | rate])
        return int(google_crc32c.value(head + v.astype("<i2").tobytes() + z.astype("<i2").tobytes()))

    def _shape_of(self, latent: Latent) -> LatentShape:
        if latent.height is None or latent.width is None:
            return self.shape
        area, own_area = latent.height * latent.width, self.shape.height * self.shape.width
        if not (0 < latent.height < 256 and 0 < latent.width < 256 and area <= _LARGEST_GROWTH * own_area):
            raise LatentError(
                f"a latent of {latent.height}x{latent.width} is not supported: each side is 1..255 and the area "
                f"at most {_LARGEST_GROWTH} times the bundle's {self.shape.height}x{self.shape.width}"
            )
        return self.shape.resized(latent.height, latent.width)

    def _check(self, latent: Latent, shape: LatentShape) -> None:
        if not 0 <= latent.rate < self._synthesis.rates:
            raise LatentError(f"operating point {latent.rate} is not one of 0..{self._synthesis.rates - 1}")
        for name, values, size in (("z", latent.z, shape.size), ("v", latent.v, self._synthesis.side)):
            if values.shape != (size,) or values.dtype.kind != "i":
                raise LatentError(f"{name} must be {size} signed integers, not {values.dtype} {values.shape}")
            if size and (int(values.min()) < -(1 << 15) or int(values.max()) >= 1 << 15):
                raise LatentError(f"{name} has a value outside the 16 bits that the format carries; retrain or clip it")


def _fields(model: _Model) -> tuple[IntArray, IntArray, IntArray]:
    return model.base, model.fraction, model.scale


def _escape_bits(negative: bool, excess: int) -> list[int]:
    """Return the sign, then Exp-Golomb order 0 of excess - 1 (excess >= 1): a zero for each bit behind the leading one."""
    digits = f"{excess:b}"
    return [int(negative), *(0 for _ in digits[1:]), *(int(digit) for digit in digits)]


def _read_escape(reader: coder.RangeDecoder, radius: int) -> int:
    negative = reader.bit()
    zeros = 0
    while not reader.bit():
        zeros += 1
        if zeros > _LARGEST_PREFIX:
            raise CorruptBitstream("an escaped symbol needs more than 16 bits: damaged; ask for the frame again")
    excess = 1
    for _ in range(zeros):
        excess = excess << 1 | reader.bit()
    return -(radius + excess) if negative else radius + excess
