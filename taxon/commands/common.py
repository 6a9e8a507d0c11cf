"""Options that several commands have, and the loop over inputs of which some may be refused."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from shared.errors import TaxonError
from shared.telemetry.redaction import redacted
from taxon.errors import UsageError

if TYPE_CHECKING:
    from taxon.client import Credentials

Item = TypeVar("Item")


def add_bundle_option(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--bundle", type=Path, metavar="DIR", help="model bundle (default: TAXON_BUNDLE, or the shipped one)"
    )


def add_output_option(parser: argparse.ArgumentParser, default: Path | None = None) -> None:
    parser.add_argument(
        "-o",
        "--output",
        type=Path,
        metavar="DIR",
        required=default is None,
        default=default,
        help="folder to write to" if default is None else f"folder to write to (default: {default})",
    )


def add_coding_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--rate", type=int, metavar="N", help="operating point, 0 the fewest bytes (default: the bundle's)"
    )
    parser.add_argument("--groups", nargs="+", metavar="GROUP", help="task groups to send (default: all of the bundle)")


def names_of(given: list[str] | None) -> list[str] | None:
    """Return names that were given as `a b` or `a,b`, each once."""
    if given is None:
        return None
    names = [name for word in given for name in word.split(",") if name]
    if not names:
        raise UsageError("a list of names is empty")
    return list(dict.fromkeys(names))


def for_each(items: Iterable[Item], name: Callable[[Item], str], work: Callable[[Item], None]) -> int:
    """Do the work for every item, report each that is refused in one line, and return the exit status."""
    status = 0
    for item in items:
        try:
            work(item)
        except TaxonError as error:
            sys.stdout.flush()
            print(f"taxon: {redacted(f'{name(item)}: {error}')}", file=sys.stderr)
            status = 1
    return status


def positive(text: str) -> float:
    """Read a number above 0, for argparse."""
    number = float(text)
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def count(text: str) -> int:
    """Read a whole number above 0, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def add_credentials(parser: argparse.ArgumentParser) -> None:
    """Add the options that `credentials_of` reads."""
    group = parser.add_argument_group("towards a service with TLS or tokens")
    for flag, told in (
        ("--ca", "PEM of the authority that signed the service's certificate; turns TLS on"),
        ("--certificate", "PEM of this client's own certificate, where the service asks for one"),
        ("--key", "PEM of its key"),
        ("--token", "file that holds this client's token"),
    ):
        group.add_argument(flag, type=Path, metavar="FILE", help=told)
    group.add_argument("--insecure", action="store_true", help="show the token to another machine also without TLS")


def credentials_of(arguments: argparse.Namespace) -> Credentials:
    """Return the credentials that the command line names, and warn on stderr of secret files that everybody here can read."""
    # Imported now, since most commands talk to no service.
    from taxon.client import Credentials

    named = Credentials(
        arguments.ca, arguments.certificate, arguments.key, arguments.token, insecure=arguments.insecure
    )
    for line in named.exposed():
        print(f"taxon: {line}", file=sys.stderr)
    return named
