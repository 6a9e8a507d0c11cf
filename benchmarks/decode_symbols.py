"""Decodes bitstreams to symbols and prints their digests: the second process of `benchmarks.lossless`.

    python -m benchmarks.decode_symbols --bundle DIR STREAMS

Needs numpy and google-crc32c alone, no inference runtime, so that it runs on a bare Python of another architecture.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import platform
from collections.abc import Mapping
from pathlib import Path

from shared.codec.bitstream import parse
from shared.codec.entropy_codec import EntropyCodec
from shared.codec.latents import Latent
from shared.model.bundle import Bundle


def main() -> None:
    """Print {"machine": name, "digests": {file stem: SHA-256}}."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundle", type=Path, required=True, help="directory of a model bundle")
    parser.add_argument("streams", type=Path, help="folder of .txn files")
    arguments = parser.parse_args()
    bundle = Bundle.load(arguments.bundle)
    codecs = bundle.codecs()
    digests = {
        path.stem: symbols_digest(latents_of(bundle, codecs, path)) for path in sorted(arguments.streams.glob("*.txn"))
    }
    print(json.dumps({"machine": platform.machine(), "digests": digests}))


def latents_of(bundle: Bundle, codecs: Mapping[str, EntropyCodec], path: Path) -> dict[str, Latent]:
    """A file's latents by group name; raises BitstreamError."""
    bitstream = parse(path.read_bytes())
    bitstream.require_bundle(bundle.digest)
    names = {substream.group_id: bundle.group_with_id(substream.group_id).name for substream in bitstream.substreams}
    return {names[one.group_id]: codecs[names[one.group_id]].decode(one) for one in bitstream.substreams}


def symbols_digest(latents: Mapping[str, Latent]) -> str:
    """SHA-256 over the names and all symbols of a frame's groups."""
    symbols = hashlib.sha256()
    for name in sorted(latents):
        symbols.update(
            name.encode() + latents[name].v.astype("<i8").tobytes() + latents[name].z.astype("<i8").tobytes()
        )
    return symbols.hexdigest()


if __name__ == "__main__":
    main()
