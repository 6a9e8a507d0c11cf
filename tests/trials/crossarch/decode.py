"""A decode trial's process: every bitstream of a folder to symbols, and back to bytes.

    python -m tests.trials.crossarch.decode --bundle DIR [--rounding upward] STREAMS

Needs numpy, google-crc32c and threadpoolctl, and no inference runtime. Prints one JSON object: the machine, for each
file the digest of its symbols (or why it was refused), and whether coding them again gave the same bytes.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Mapping
from pathlib import Path

from benchmarks.decode_symbols import symbols_digest
from shared.codec.bitstream import build, parse, serialise
from shared.codec.entropy_codec import EntropyCodec
from shared.codec.latents import Latent
from shared.errors import TaxonError
from shared.model.bundle import Bundle
from tests.trials.crossarch.machine import Machine
from tests.trials.crossarch.rounding import MODES, NEAREST, set_rounding


def main() -> None:
    """Decode, code again, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True, help="directory of a model bundle")
    parser.add_argument("streams", type=Path, help="folder of .txn files")
    parser.add_argument("--rounding", choices=MODES, default=NEAREST, help="what the processor's arithmetic rounds to")
    arguments = parser.parse_args()
    set_rounding(arguments.rounding)
    bundle = Bundle.load(arguments.bundle)
    codecs = bundle.codecs()
    digests, recoded = {}, 0
    began = time.perf_counter()
    for path in sorted(arguments.streams.glob("*.txn")):
        data = path.read_bytes()
        try:
            latents = latents_of(bundle, codecs, data)
            digests[path.stem] = symbols_digest(latents)
            recoded += bitstream_of(bundle, codecs, latents, parse(data).input_size) == data
        except TaxonError as error:
            digests[path.stem] = f"refused: {error}"
    report = {"digests": digests, "recoded": recoded, "seconds": time.perf_counter() - began}
    print(json.dumps(report | {"machine": Machine.here().to_json()}))


def latents_of(bundle: Bundle, codecs: Mapping[str, EntropyCodec], data: bytes) -> dict[str, Latent]:
    """Return a bitstream's latents by group name, also of another input size than the bundle's; raises BitstreamError."""
    bitstream = parse(data)
    bitstream.require_bundle(bundle.digest)
    latents = {}
    for one in bitstream.substreams:
        group = bundle.group_with_id(one.group_id)
        size = latent_size(bundle, group.name, bitstream.input_size)
        latents[group.name] = codecs[group.name].decode(one, *size)
    return latents


def bitstream_of(
    bundle: Bundle,
    codecs: Mapping[str, EntropyCodec],
    latents: Mapping[str, Latent],
    input_size: tuple[int, int] | None = None,
) -> bytes:
    """Return the bytes of latents. input_size: height and width in units of 32 pixels; None for the bundle's own."""
    substreams = [codecs[name].encode(latent).substream for name, latent in latents.items()]
    return serialise(build(bundle.digest, substreams, input_size))


def latent_size(bundle: Bundle, group: str, input_size: tuple[int, int] | None) -> tuple[int | None, int | None]:
    """Return height and width of a group's latent, for an input of this many units of 32 pixels."""
    if input_size is None:
        return None, None
    shape, own = bundle.group(group).latent, bundle.manifest.input
    return shape.height * input_size[0] * 32 // own.height, shape.width * input_size[1] * 32 // own.width


if __name__ == "__main__":
    main()
