"""`taxon encode IMAGE... -o DIR` turns pictures into bitstreams."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_encoder.encoding.pictures.decoded import LARGEST_PIXELS, SMALLEST_SIDE
from taxon.codec import Codec, chosen_groups, chosen_rate
from taxon.commands.common import add_bundle_option, add_coding_options, add_output_option, for_each, names_of
from taxon.files import LARGEST_PICTURE_BYTES, output_names, read_bytes, write_all
from taxon.results import sizes_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    limits = f"sides of {SMALLEST_SIDE} pixels or more, at most {LARGEST_PIXELS // 1_000_000} million pixels"
    parser.description = f"{parser.description}; {limits}"
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE", help="picture: JPEG, PNG, WebP or AVIF")
    add_output_option(parser)
    add_coding_options(parser)
    add_bundle_option(parser)


def run(arguments: argparse.Namespace) -> int:
    codec = Codec.load(arguments.bundle)
    groups, rate = chosen_groups(codec.bundle, names_of(arguments.groups)), chosen_rate(codec.bundle, arguments.rate)
    named = list(zip(arguments.images, output_names(arguments.images), strict=True))

    def encode(item: tuple[Path, str]) -> None:
        path, name = item
        data = codec.encode(read_bytes(path, LARGEST_PICTURE_BYTES), rate, groups)
        target = arguments.output / f"{name}.txn"
        write_all({target: data})
        print(f"{target}: {sizes_of(codec.bundle, data).line()}")

    return for_each(named, lambda item: str(item[0]), encode)
