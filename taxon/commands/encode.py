"""`taxon encode IMAGE... -o DIR`: pictures to bitstreams."""

from __future__ import annotations

import argparse
from pathlib import Path

from edge_encoder.encoding.encoder import Encoder
from edge_encoder.encoding.preprocess import LARGEST_PIXELS, SMALLEST_SIDE, preprocess
from taxon.commands.common import (
    LARGEST_PICTURE_BYTES,
    add_bundle_option,
    add_coding_options,
    add_output_option,
    chosen_groups,
    chosen_rate,
    for_each,
    read_bytes,
)
from taxon.defaults import load_bundle
from taxon.outputs import output_names, write_all
from taxon.sizes import sizes_of


def add_arguments(parser: argparse.ArgumentParser) -> None:
    limits = f"sides of {SMALLEST_SIDE} pixels or more, at most {LARGEST_PIXELS // 1_000_000} million pixels"
    parser.description = f"{parser.description}. JPEG, PNG or WebP, {limits}."
    parser.add_argument("images", nargs="+", type=Path, metavar="IMAGE")
    add_output_option(parser)
    add_coding_options(parser)
    add_bundle_option(parser)


def run(arguments: argparse.Namespace) -> int:
    bundle = load_bundle(arguments.bundle)
    groups, rate = chosen_groups(bundle, arguments.groups), chosen_rate(bundle, arguments.rate)
    named = list(zip(arguments.images, output_names(arguments.images), strict=True))
    encoder = Encoder(bundle)

    def encode(item: tuple[Path, str]) -> None:
        path, name = item
        frame = preprocess(read_bytes(path, LARGEST_PICTURE_BYTES), bundle.manifest.input)
        data = encoder.encode(frame.pixels, groups, rate).bitstream
        target = arguments.output / f"{name}.txn"
        write_all({target: data})
        print(f"{target}: {sizes_of(bundle, data).line()}")

    return for_each(named, lambda item: str(item[0]), encode)
