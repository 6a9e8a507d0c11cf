"""`taxon bundle verify DIR` checks every file of a bundle against its manifest."""

from __future__ import annotations

import argparse
from pathlib import Path

from taxon.defaults import bundle_directory, load_bundle


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    verify = actions.add_parser(
        "verify", help="check every file's presence, size and SHA-256, and load the integer tables"
    )
    verify.add_argument(
        "directory", type=Path, nargs="?", metavar="DIR", help="the bundle (default: TAXON_BUNDLE, or the shipped one)"
    )


def run(arguments: argparse.Namespace) -> int:
    directory = bundle_directory(arguments.directory)
    bundle = load_bundle(arguments.directory)
    bundle.codecs()
    manifest = bundle.manifest
    size = sum(entry.bytes for entry in manifest.files.values())
    print(f"{directory}: {manifest.name}/{manifest.version} is whole")
    print(f"  digest            {bundle.digest.hex()}")
    print(f"  files             {len(manifest.files)}, {size:,} bytes")
    print(f"  input             {manifest.input.width}x{manifest.input.height}")
    points = ", ".join(
        f"{point.rate} {point.name}{' (default)' if point.rate == manifest.default_rate else ''}"
        for point in manifest.operating_points
    )
    print(f"  operating points  {points}")
    for group in manifest.groups:
        print(f"  group {group.name:<11} {', '.join(group.tasks)}")
    return 0
