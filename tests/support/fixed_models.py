"""Entropy models for tests from arithmetic alone: no random generator and no floating point, so that bitstreams made
with them can be pinned byte for byte.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from shared.codec.cdf_tables import CdfTables
from shared.codec.entropy_codec import EntropyCodec
from shared.codec.hyper_synthesis import HyperSynthesis, LatentShape
from shared.codec.latents import Latent

IntArray = NDArray[np.int64]

SHAPE = LatentShape(channels=4, height=4, width=4, vector=5)
SIDE = 6
RATES = 3
DIGEST = bytes(range(32))


def scattered(count: int, seed: int, limit: int) -> list[int]:
    """Return whole numbers in -limit..limit that look random: a linear congruential sequence."""
    state, values = seed * 7919 + 12345, []
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2**31
        values.append((state >> 8) % (2 * limit + 1) - limit)
    return values


def scattered_array(shape: tuple[int, ...], seed: int, limit: int) -> IntArray:
    return np.array(scattered(int(np.prod(shape)), seed, limit), np.int64).reshape(shape)


def tables(scales: int = 8) -> CdfTables:
    """Return tables whose frequencies fall off with the square of the distance; the radius of scale s is s."""
    offset = np.zeros((scales, 16), np.int64)
    cdf: list[int] = []
    for s in range(1, scales):
        for f in range(16):
            weights = [max(1, 16 * (s + 1) - abs(16 * value - (f - 8))) ** 2 for value in range(-s, s + 1)] + [1]
            frequencies = [1 + weight * (65536 - len(weights)) // sum(weights) for weight in weights]
            frequencies[s] += 65536 - sum(frequencies)
            offset[s, f] = len(cdf)
            cdf += [sum(frequencies[:i]) for i in range(len(frequencies) + 1)]
    return CdfTables.checked(np.arange(scales, dtype=np.int64), offset, np.array(cdf, np.int64))


def arrays(shape: LatentShape = SHAPE, side: int = SIDE, rates: int = RATES, seed: int = 1) -> dict[str, IntArray]:
    """Return the arrays of an `entropy.npz` with some certain symbols, some escapes, and means away from zero."""
    trunk, n, tau, p, q = 7, 3, 4, 6, 5
    sizes = {
        "trunk": (trunk, side),
        "coefficients": (n * tau, trunk),
        "hidden": (p, n),
        "output": (2 * shape.channels, p),
    }
    if shape.vector:
        sizes |= {"vector_hidden": (q, trunk), "vector_output": (2 * shape.vector, q)}
    made: dict[str, IntArray] = {}
    for number, (name, (rows, columns)) in enumerate(sizes.items()):
        made[f"{name}_weight"] = scattered_array((rows, columns), seed + number, 4000)
        made[f"{name}_bias"] = scattered_array((rates, rows), seed + 20 + number, 1 << 20)
    for name, half in (("output", shape.channels), ("vector_output", shape.vector)):
        if half:
            # Scale indices around 2, so that about one symbol in five is certain.
            made[f"{name}_bias"][:, half:] += 2 << 20
    made["codebook"] = scattered_array((tau, shape.height, shape.width), seed + 40, 4000)
    made["side_scale_index"] = np.arange(rates * side, dtype=np.int64).reshape(rates, side) % 5
    return made


def codec(group_id: int = 2, digest: bytes = DIGEST, seed: int = 1) -> EntropyCodec:
    return EntropyCodec(group_id, HyperSynthesis(arrays(seed=seed), SHAPE, SIDE), tables(), digest)


def latent(seed: int, limit: int = 3, rate: int = 0) -> Latent:
    return Latent(scattered_array((SHAPE.size,), seed, limit), scattered_array((SIDE,), seed + 1, limit), rate)
