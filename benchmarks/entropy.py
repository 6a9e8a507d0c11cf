"""What entropy coding costs beside the network, and how near the payload is to the cross-entropy.

    python -m benchmarks.entropy --images photo.jpg ...

One process measures both sides in turns, so the ratios hold however busy the machine is; milliseconds are printed beside
them. Coding is the whole of it: hyperprior, tables, range coder and check sum, of all groups; the network is the backbone
and all group encoders on one frame.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from cloud_analytics.decoding.decoder import Decoder
from edge_encoder.encoding.encoder import EncodedFrame, Encoder
from edge_encoder.encoding.preprocess import preprocess
from taxon.defaults import load_bundle

T = TypeVar("T")


@dataclass(frozen=True)
class Timing:
    """Medians over all pictures and rounds, in milliseconds a frame."""

    network: float
    encode: float
    decode: float


def main() -> None:
    """Prints the ratios for one thread and for the runtime's default, then the bytes."""
    arguments = _arguments()
    bundle = load_bundle(arguments.bundle)
    size = bundle.manifest.input
    images = [preprocess(path.read_bytes(), size).pixels for path in arguments.images]
    rate = bundle.manifest.default_rate if arguments.rate is None else arguments.rate
    decoder = Decoder(bundle)
    print(f"bundle {bundle.id}, rate {rate}, {len(images)} pictures, {arguments.rounds} rounds, medians")
    print(f"{'threads':>8} {'network':>10} {'encode':>10} {'decode':>10} {'encode/network':>15} {'decode/network':>15}")
    for threads in (1, 0):
        timing = _measure(Encoder(bundle, threads=threads), decoder, images, rate, arguments.rounds)
        name = threads or "default"
        print(
            f"{name:>8} {timing.network:>7.2f} ms {timing.encode:>7.2f} ms {timing.decode:>7.2f} ms "
            f"{timing.encode / timing.network:>15.3f} {timing.decode / timing.network:>15.3f}"
        )
    groups = [group.name for group in bundle.manifest.groups]
    _print_bytes([Encoder(bundle).encode(image, groups, rate) for image in images])


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--bundle", type=Path, help="directory of a model bundle (default: TAXON_BUNDLE, else the one shipped)"
    )
    parser.add_argument("--rate", type=int, help="operating point (default: the bundle's)")
    parser.add_argument("--rounds", type=int, default=20, help="repetitions of each picture (default: 20)")
    parser.add_argument("--images", type=Path, nargs="+", required=True, help="JPEG, PNG, WebP or AVIF files")
    return parser.parse_args()


def _measure(encoder: Encoder, decoder: Decoder, images: list[NDArray[np.uint8]], rate: int, rounds: int) -> Timing:
    groups = [group.name for group in encoder.bundle.manifest.groups]
    network: list[float] = []
    encode: list[float] = []
    decode: list[float] = []
    decoder.latents(encoder.encode(images[0], groups, rate).bitstream)
    for image in images * rounds:
        batches, spent = _timed(partial(encoder.analyse, image[None], groups, rate))
        network.append(spent)
        latents = {name: batch.frame(0) for name, batch in batches.items()}
        frame, spent = _timed(partial(encoder.code, latents))
        encode.append(spent)
        _, spent = _timed(partial(decoder.latents, frame.bitstream))
        decode.append(spent)
    return Timing(*(statistics.median(series) for series in (network, encode, decode)))


def _timed(work: Callable[[], T]) -> tuple[T, float]:
    begin = time.perf_counter()
    result = work()
    return result, 1000 * (time.perf_counter() - begin)


def _print_bytes(frames: list[EncodedFrame]) -> None:
    cross_entropy = statistics.mean(frame.cross_entropy_bits / 8 for frame in frames)
    payload = statistics.mean(frame.payload_bytes for frame in frames)
    whole = statistics.mean(len(frame.bitstream) for frame in frames)
    print(
        f"bytes a frame: cross-entropy {cross_entropy:.1f}, payload {payload:.1f} "
        f"(x{payload / cross_entropy if cross_entropy else 1:.3f}), with headers and check sums {whole:.1f}"
    )


if __name__ == "__main__":
    main()
