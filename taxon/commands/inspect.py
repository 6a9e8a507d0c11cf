"""`taxon inspect FILE` prints what a bitstream holds, as far as the bundle at hand can tell."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from shared.codec.bitstream import VERSION, Bitstream, Substream, parse
from shared.codec.entropy_codec import EntropyCodec
from shared.errors import BitstreamError, CorruptBitstream
from shared.model.bundle import Bundle
from taxon.commands.common import add_bundle_option
from taxon.defaults import bundle_directory, load_bundle
from taxon.errors import InputError
from taxon.files import LARGEST_BITSTREAM_BYTES, read_bytes


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=Path, metavar="FILE", help="bitstream, as `taxon encode` writes it")
    add_bundle_option(parser)


def run(arguments: argparse.Namespace) -> int:
    try:
        data = read_bytes(arguments.file, LARGEST_BITSTREAM_BYTES)
        bitstream = parse(data)
    except (InputError, BitstreamError) as error:
        raise InputError(f"{arguments.file}: {error}") from error
    bundle = None
    # Without any bundle the framing can still be read; but a bundle that was named has to be there.
    if arguments.bundle is not None or bundle_directory(None).exists():
        bundle = load_bundle(arguments.bundle)
    framing(arguments.file, data, bitstream)
    if bundle is None:
        print("  symbols           not checked: there is no bundle here (--bundle DIR, or TAXON_BUNDLE)")
        return 0
    bitstream.require_bundle(bundle.digest)
    print(f"  bundle            {bundle.id}")
    codecs = bundle.codecs()
    for substream in bitstream.substreams:
        names = [group.name for group in bundle.manifest.groups if group.id == substream.group_id]
        if not names:
            raise CorruptBitstream(
                f"the bundle has no group {substream.group_id}: damaged, or written with another bundle"
            )
        symbols(bundle, codecs[names[0]], names[0], bitstream, substream)
    return 0


def framing(path: Path, data: bytes, bitstream: Bitstream) -> None:
    """Print the fields that can be read without a bundle."""
    payload = sum(len(substream.payload) for substream in bitstream.substreams)
    print(f"{path}: {len(data)} bytes, of them {payload} payload")
    print(f"  version           {VERSION}")
    print(f"  bundle's digest   {bitstream.digest_prefix.hex()}...")
    if bitstream.input_size is not None:
        height, width = bitstream.input_size
        print(f"  size field        {height}x{width}")
    for substream in bitstream.substreams:
        print(
            f"  substream         group {substream.group_id}, rate {substream.rate}, "
            f"payload {len(substream.payload)} bytes, CRC-32C {substream.crc:08x}"
        )


def symbols(bundle: Bundle, codec: EntropyCodec, name: str, bitstream: Bitstream, substream: Substream) -> None:
    """Decode a payload, compare its check sum, and print its symbols; raises CorruptBitstream."""
    height, width = bitstream.input_size or (None, None)
    latent = codec.decode(substream, height, width)
    bits = codec.encode(latent).cross_entropy_bits
    point = bundle.operating_point(substream.rate)
    tasks = ", ".join(bundle.group(name).tasks)
    print(f"  {name} ({tasks}), operating point {point.rate} ({point.name}), check sum matches")
    for what, values in (("z", latent.z), ("v", latent.v)):
        zeros = int(np.count_nonzero(values == 0))
        extent = f"from {values.min()} to {values.max()}" if values.size else "none"
        print(f"    {what}: {values.size} symbols, {zeros} of them zero, {extent}")
    coded = 8 * len(substream.payload)
    print(f"    {bits:.1f} bits of cross-entropy, {coded} coded ({coded / max(bits, 1e-9):.3f} x)")
