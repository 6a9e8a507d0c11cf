"""The bitstream decoder: framing and entropy decoder of two groups, at the bundle's own size and at another.

    bytes --parse--> Bitstream --EntropyCodec.decode--> Latent, which must be one that was coded

Law: only a BitstreamError is raised; parse takes nothing that serialise would not write; and a substream that is decoded is, to the last
symbol, one that was encoded here. (A damaged one passes its check sum once in 2^32: nobody's luck lasts that long.)
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from random import Random

import numpy as np

from shared.codec.bitstream import Bitstream, Substream, build, cut, parse, serialise
from shared.codec.entropy_codec import EntropyCodec
from shared.codec.latents import Latent
from shared.errors import BitstreamError
from tests.support import fixed_models
from tests.trials.fuzz.mutation import mutated
from tests.trials.fuzz.target import LawBroken, Target

_GROUPS = (0, 1)
_SIZES = (None, (1, 2), (2, 2))
"""Input sizes in units of 32 pixels, which are the side of the models' own input."""

_Key = tuple[Substream, tuple[int, int] | None]


class BitstreamTarget(Target):
    """See the module."""

    name = "bitstream"
    longest = 2048

    def __init__(self) -> None:
        self._codecs = {group: fixed_models.codec(group, seed=group + 1) for group in _GROUPS}
        self._coded: dict[_Key, Latent] = {}
        self._streams: list[Bitstream] = []
        for size, rate, limit in product(_SIZES, range(fixed_models.RATES), (0, 1, 3, 400)):
            substreams = [self._original(codec, size, rate, limit) for codec in self._codecs.values()]
            self._streams.append(build(fixed_models.DIGEST, substreams, size))
        self._seeds = [serialise(stream) for stream in self._streams]
        self._seeds += [serialise(cut(stream, (group,))) for stream in self._streams[::4] for group in _GROUPS]

    def seeds(self) -> Sequence[bytes]:
        return self._seeds

    def run(self, data: bytes) -> bool:
        try:
            stream = parse(data)
        except BitstreamError:
            return False
        if serialise(stream) != data:
            raise LawBroken("parse takes what serialise does not write")
        try:
            stream.require_bundle(fixed_models.DIGEST)
        except BitstreamError:
            return False
        return all(self._decoded(substream, stream.input_size) for substream in stream.substreams)

    def mutate(self, data: bytes, random: Random) -> bytes:
        try:
            stream = parse(data)
        except BitstreamError:
            return super().mutate(data, random)
        substreams = list(stream.substreams)
        place = random.randrange(len(substreams))
        one = substreams[place]
        match random.randrange(6):
            case 0 | 1:
                substreams[place] = replace(one, payload=mutated(one.payload, random, self._any(random).payload))
            case 2:
                substreams[place] = replace(one, crc=one.crc ^ 1 << random.randrange(32))
            case 3:
                substreams[place] = replace(one, rate=random.randrange(16))
            case 4:
                substreams[place] = replace(self._any(random), group_id=one.group_id)
            case _:
                return super().mutate(data, random)
        size = stream.input_size if random.randrange(4) else random.choice(_SIZES)
        return serialise(replace(stream, substreams=tuple(substreams), input_size=size))

    def _decoded(self, substream: Substream, size: tuple[int, int] | None) -> bool:
        codec = self._codecs.get(substream.group_id)
        if codec is None:
            return False
        try:
            found = codec.decode(substream, *_latent_size(size))
        except BitstreamError:
            return False
        original = self._coded.get((substream, size))
        if original is None or not (np.array_equal(found.z, original.z) and np.array_equal(found.v, original.v)):
            raise LawBroken(f"results from damaged symbols: group {substream.group_id} at rate {substream.rate}")
        return True

    def _original(self, codec: EntropyCodec, size: tuple[int, int] | None, rate: int, limit: int) -> Substream:
        shape = fixed_models.SHAPE if size is None else fixed_models.SHAPE.resized(4 * size[0], 4 * size[1])
        z = fixed_models.scattered_array((shape.size,), 7 * codec.group_id + rate, limit)
        v = fixed_models.scattered_array((fixed_models.SIDE,), codec.group_id + limit, limit)
        coded = codec.encode(Latent(z, v, rate, *_latent_size(size)))
        self._coded[coded.substream, size] = coded.latent
        return coded.substream

    def _any(self, random: Random) -> Substream:
        return random.choice(random.choice(self._streams).substreams)


def _latent_size(size: tuple[int, int] | None) -> tuple[int, int] | tuple[None, None]:
    return (None, None) if size is None else (4 * size[0], 4 * size[1])
