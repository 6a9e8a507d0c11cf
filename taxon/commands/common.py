"""What several commands share: their options, reading files, and going through inputs of which some may be refused."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TypeVar

from shared.errors import TaxonError
from shared.model.bundle import Bundle
from taxon.errors import InputError, UsageError

Item = TypeVar("Item")

LARGEST_PICTURE_BYTES = 256 << 20
LARGEST_BITSTREAM_BYTES = 16 << 20
"""Far more than the format's groups can hold in practice, and little enough to be read at once."""


def add_bundle_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bundle", type=Path, metavar="DIR", help="model bundle (default: TAXON_BUNDLE, or the shipped one)"
    )


def add_output_option(parser: argparse.ArgumentParser, default: Path | None = None) -> None:
    told = "" if default is None else f" (default: {default})"
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        required=default is None,
        default=default,
        help=f"folder to write to{told}",
    )


def add_coding_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rate", type=int, metavar="N", help="operating point, 0 the fewest bytes (default: the bundle's)"
    )
    parser.add_argument("--groups", nargs="+", metavar="GROUP", help="task groups to send (default: all of the bundle)")


def names_of(given: list[str] | None) -> list[str] | None:
    """Names as `a b` or `a,b`, each once."""
    if given is None:
        return None
    names = [name for word in given for name in word.split(",") if name]
    if not names:
        raise UsageError("a list of names is empty")
    return list(dict.fromkeys(names))


def chosen_groups(bundle: Bundle, given: list[str] | None) -> tuple[str, ...]:
    """Group names in the bundle's order; raises UnknownName."""
    wanted = names_of(given)
    for name in wanted or ():
        bundle.group(name)
    return tuple(group.name for group in bundle.manifest.groups if wanted is None or group.name in wanted)


def chosen_rate(bundle: Bundle, given: int | None) -> int:
    """The operating point; raises UnknownName."""
    return bundle.manifest.default_rate if given is None else bundle.operating_point(given).rate


def read_bytes(path: Path, limit: int) -> bytes:
    """A file's bytes, at most `limit` of them; raises InputError, also for a file without an end."""
    try:
        with path.open("rb") as file:
            data = file.read(limit + 1)
    except OSError as error:
        raise InputError(error.strerror or str(error)) from error
    if len(data) > limit:
        raise InputError(f"the file has more than {limit >> 20} MiB; refused")
    return data


def for_each(items: Iterable[Item], name: Callable[[Item], str], work: Callable[[Item], None]) -> int:
    """Do the work for every item, report each that is refused in one line, and return the exit status."""
    status = 0
    for item in items:
        try:
            work(item)
        except TaxonError as error:
            sys.stdout.flush()
            print(f"taxon: {name(item)}: {error}", file=sys.stderr)
            status = 1
    return status
