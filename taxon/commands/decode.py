"""`taxon decode FILE... -o DIR` turns bitstreams into results."""

from __future__ import annotations

import argparse
from pathlib import Path

from taxon.codec import Codec
from taxon.commands.common import add_bundle_option, add_output_option, for_each, names_of
from taxon.files import LARGEST_BITSTREAM_BYTES, output_names, read_bytes, write_all
from taxon.results import result_files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE", help="bitstream, as `taxon encode` writes it")
    add_output_option(parser)
    parser.add_argument(
        "--tasks", nargs="+", metavar="TASK", help="tasks to compute (default: all whose group was sent)"
    )
    add_bundle_option(parser)


def run(arguments: argparse.Namespace) -> int:
    codec, wanted = Codec.load(arguments.bundle), names_of(arguments.tasks)
    for task in wanted or ():
        codec.bundle.manifest.group_of(task)
    named = list(zip(arguments.files, output_names(arguments.files), strict=True))

    def decode(item: tuple[Path, str]) -> None:
        path, name = item
        data = read_bytes(path, LARGEST_BITSTREAM_BYTES)
        found = codec.results(data, wanted)
        files = result_files(codec.bundle, found, len(data))
        write_all({arguments.output / f"{name}.{suffix}": content for suffix, content in files.items()})
        print(f"{path}: {', '.join(result.task.name for result in found)} -> {arguments.output / name}.*")

    return for_each(named, lambda item: str(item[0]), decode)
