"""What the live commands share of their command line: numbers, and what they show to a service."""

from __future__ import annotations

import argparse
import math
import sys
from pathlib import Path

from taxon.client import Credentials


def positive(text: str) -> float:
    """A number above 0, for argparse."""
    number = float(text)
    if not (math.isfinite(number) and number > 0):
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def count(text: str) -> int:
    """A whole number above 0, for argparse."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is not above 0")
    return number


def add_credentials(parser: argparse.ArgumentParser) -> None:
    """The options of `credentials_of`."""
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
    """What the command line names; says on stderr which of the secret files everybody on this machine can read."""
    named = Credentials(
        arguments.ca, arguments.certificate, arguments.key, arguments.token, insecure=arguments.insecure
    )
    for line in named.exposed():
        print(f"taxon: {line}", file=sys.stderr)
    return named
