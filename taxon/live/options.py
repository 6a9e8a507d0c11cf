"""Options of the live commands: positive numbers, and credentials towards a service."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from taxon.client import Credentials


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
    named = Credentials(
        arguments.ca, arguments.certificate, arguments.key, arguments.token, insecure=arguments.insecure
    )
    for line in named.exposed():
        print(f"taxon: {line}", file=sys.stderr)
    return named
