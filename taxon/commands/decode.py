"""`taxon decode FILE... -o DIR`: bitstreams to results."""

from __future__ import annotations

import argparse
from collections.abc import Container
from pathlib import Path

from cloud_analytics.decoding.decoder import Decoder
from cloud_analytics.decoding.heads import results
from shared.model.bundle import Bundle
from taxon.commands.common import (
    LARGEST_BITSTREAM_BYTES,
    add_bundle_option,
    add_output_option,
    for_each,
    names_of,
    read_bytes,
)
from taxon.defaults import load_bundle
from taxon.outputs import output_names, write_all
from taxon.results import result_files


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    add_output_option(parser)
    parser.add_argument(
        "--tasks", nargs="+", metavar="TASK", help="tasks to compute (default: all whose group was sent)"
    )
    add_bundle_option(parser)


def run(arguments: argparse.Namespace) -> int:
    bundle = load_bundle(arguments.bundle)
    wanted = names_of(arguments.tasks)
    for task in wanted or ():
        bundle.manifest.group_of(task)
    named = list(zip(arguments.files, output_names(arguments.files), strict=True))
    decoder = Decoder(bundle)

    def decode(item: tuple[Path, str]) -> None:
        path, name = item
        data = read_bytes(path, LARGEST_BITSTREAM_BYTES)
        tasks = sent_tasks(bundle, decoder.latents(data)) if wanted is None else wanted
        files = result_files(bundle, results(decoder, [data], tasks), len(data))
        write_all({arguments.output / f"{name}.{suffix}": content for suffix, content in files.items()})
        print(f"{path}: {', '.join(tasks)} -> {arguments.output / name}.*")

    return for_each(named, lambda item: str(item[0]), decode)


def sent_tasks(bundle: Bundle, groups: Container[str]) -> list[str]:
    """The tasks of the groups that a bitstream holds."""
    return [task for group in bundle.manifest.groups if group.name in groups for task in group.tasks]
