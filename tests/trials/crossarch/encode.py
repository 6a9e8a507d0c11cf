"""An encode trial's process: pictures to bitstreams, and the digests of the symbols that were coded.

    python -m tests.trials.crossarch.encode --bundle DIR --images FILE.npy OUT [--threads N] [--batch N] [--noise N] [--provider cuda]

    images -> backbone -> feature maps (+ noise: each float moved by up to N of its last bits) -> encoder -> z, v -> bitstream

Writes OUT/<picture>-<rate>.txn and OUT/features.npz (a few pictures' feature maps and each latent, to compare machines by).
Needs numpy, google-crc32c, threadpoolctl and ONNX Runtime.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from benchmarks.decode_symbols import symbols_digest
from edge_encoder.encoding.encoder import Encoder
from shared.codec.latents import Latent
from shared.model.bundle import Bundle
from shared.model.execution_providers import choose_providers
from shared.model.onnx_graphs import AnyArray
from tests.trials.crossarch.machine import Machine

SEED = 20261123
KEPT = 4
"""The number of pictures whose feature maps are kept."""


def main() -> None:
    """Encode every picture at every operating point, and print one JSON object."""
    arguments = _arguments()
    bundle = Bundle.load(arguments.bundle)
    providers = choose_providers(arguments.provider, arguments.output / "engines", bundle)
    encoder = Encoder(bundle, providers, arguments.threads)
    images = np.load(arguments.images)[: arguments.limit]
    arguments.output.mkdir(parents=True, exist_ok=True)
    digests: dict[str, str] = {}
    kept: dict[str, AnyArray] = {}
    began = time.perf_counter()
    generator = np.random.default_rng(SEED)
    for start in range(0, len(images), arguments.batch):
        features = encoder.graphs.run(bundle.manifest.backbone, {"image": images[start : start + arguments.batch]})
        features = {name: moved(values, arguments.noise, generator) for name, values in features.items()}
        for row in range(min(len(images) - start, arguments.batch)):
            if start + row < KEPT:
                kept |= {f"{name}-{start + row}": values[row] for name, values in features.items()}
        for name, latents in latents_of(encoder, features, start):
            coded = encoder.code(latents)
            (arguments.output / f"{name}.txn").write_bytes(coded.bitstream)
            digests[name] = symbols_digest({group.name: group.latent for group in coded.groups})
            kept |= {f"latent-{group.name}-{name}": group.latent.z for group in coded.groups}
    seconds = time.perf_counter() - began
    np.savez(arguments.output / "features.npz", **kept)
    print(json.dumps({"digests": digests, "seconds": seconds, "machine": Machine.here().to_json()}))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True, help="directory of a model bundle")
    parser.add_argument("--images", type=Path, required=True, help="uint8 [N, H, W, 3] of the bundle's input size")
    parser.add_argument("--threads", type=int, default=1, help="ONNX Runtime's, for one operator")
    parser.add_argument("--batch", type=int, default=1, help="pictures that are analysed together")
    parser.add_argument("--noise", type=int, default=0, help="last bits by which each feature is moved at most")
    parser.add_argument("--provider", default="cpu", help="cpu or cuda")
    parser.add_argument("--limit", type=int, help="take the first so many pictures alone (emulation is slow)")
    parser.add_argument("output", type=Path, help="folder for the bitstreams")
    return parser.parse_args()


def moved(values: AnyArray, ulps: int, generator: np.random.Generator) -> AnyArray:
    """Return float32 values, each moved by a random whole number of last bits in -ulps..ulps; zeros (of a ReLU) stay."""
    if not ulps:
        return values
    steps = generator.integers(-ulps, ulps + 1, values.shape, dtype=np.int32)
    # A float's bits count upwards with its magnitude, so that adding to them moves it by so many neighbours.
    bits: NDArray[np.int32] = np.ascontiguousarray(values, np.float32).view(np.int32)
    return np.where(values == 0, np.float32(0), (bits + steps).view(np.float32))


def latents_of(encoder: Encoder, features: dict[str, AnyArray], start: int) -> Iterator[tuple[str, dict[str, Latent]]]:
    """Give (picture-rate, latents by group) of a batch's feature maps. start: the number of its first picture."""
    manifest = encoder.bundle.manifest
    count = len(next(iter(features.values())))
    for point in manifest.operating_points:
        rates = np.full(count, point.rate, np.int64)
        made = {
            group.name: encoder.graphs.run(group.encoder, features | {"rate": rates}, ("z", "v"))
            for group in manifest.groups
        }
        for row in range(count):
            yield (
                f"{start + row:04d}-{point.rate}",
                {
                    name: Latent(found["z"][row].astype(np.int64), found["v"][row].astype(np.int64), point.rate)
                    for name, found in made.items()
                },
            )


if __name__ == "__main__":
    main()
