"""The bitstreams that every decode trial is given, and the digests of the symbols that were coded into them.

samples/ --networks, here--> latents of pictures, at each operating point  --+
a seed ----------------> latents that no picture has: escapes, extremes,  ---+--> DIR/*.txn, digests
                         other resolutions (their codebook is resampled)
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.decode_symbols import symbols_digest
from edge_encoder.encoding.encoder import Encoder
from edge_encoder.encoding.preprocess import preprocess
from shared.codec.bitstream import build, serialise
from shared.codec.latents import Latent
from shared.model.bundle import Bundle
from tests.trials.crossarch.decode import latent_size

SEED = 20261123
RESOLUTIONS: tuple[tuple[int, int] | None, ...] = (None, (4, 8), (8, 12), (16, 24))
"""Input sizes of the invented latents in units of 32 pixels; None is the bundle's own."""


@dataclass(frozen=True)
class Corpus:
    """directory: of the .txn files. images: uint8 [N, H, W, 3] in an .npy file. digests: of each file's symbols, by stem.

    symbols: how many integers the files hold.
    """

    directory: Path
    images: Path
    digests: dict[str, str]
    symbols: int


def write_corpus(bundle: Bundle, pictures: Sequence[Path], invented: int, directory: Path) -> Corpus:
    """Write the corpus. invented: the number of latents at each operating point and resolution. directory: an empty folder."""
    images = np.stack([preprocess(path.read_bytes(), bundle.manifest.input).pixels for path in pictures])
    np.save(directory / "images.npy", images)
    encoder = Encoder(bundle)
    digests, symbols = {}, 0
    for name, size, latents in (*_photographed(encoder, images), *_invented(bundle, invented)):
        coded = {group: encoder.codecs[group].encode(latent) for group, latent in latents.items()}
        data = serialise(build(bundle.digest, [one.substream for one in coded.values()], size))
        (directory / f"{name}.txn").write_bytes(data)
        digests[name] = symbols_digest({group: one.latent for group, one in coded.items()})
        symbols += sum(one.latent.z.size + one.latent.v.size for one in coded.values())
    return Corpus(directory, directory / "images.npy", digests, symbols)


def _photographed(encoder: Encoder, images: NDArray[np.uint8]) -> Iterator[tuple[str, None, dict[str, Latent]]]:
    groups = [group.name for group in encoder.bundle.manifest.groups]
    for point in encoder.bundle.manifest.operating_points:
        for number, image in enumerate(images):
            batches = encoder.analyse(image[None], groups, point.rate)
            yield f"picture-{number}-{point.rate}", None, {name: batch.frame(0) for name, batch in batches.items()}


def _invented(bundle: Bundle, count: int) -> Iterator[tuple[str, tuple[int, int] | None, dict[str, Latent]]]:
    generator = np.random.default_rng(SEED)
    for number in range(count):
        for point in bundle.manifest.operating_points:
            for size in RESOLUTIONS:
                latents = {}
                for group in bundle.manifest.groups:
                    height, width = latent_size(bundle, group.name, size)
                    shape = group.latent if height is None or width is None else group.latent.resized(height, width)
                    z, v = _integers(generator, shape.size), _integers(generator, group.side_information)
                    latents[group.name] = Latent(z, v, point.rate, height, width)
                name = "x".join(map(str, size)) if size else "own"
                yield f"invented-{number}-{name}-{point.rate}", size, latents


def _integers(generator: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Return integers that are mostly small; a few need an escape, and a few are the largest that the format carries."""
    small = np.rint(generator.laplace(0, generator.choice([0.5, 2, 8]), count))
    kind = generator.random(count)
    escapes = generator.integers(-2000, 2000, count)
    extremes = generator.choice([-(2**15), 2**15 - 1], count)
    return np.where(kind < 0.01, extremes, np.where(kind < 0.04, escapes, small)).astype(np.int64)
