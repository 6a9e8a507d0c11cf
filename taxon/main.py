"""The command `taxon`: its parser, and the one place where an error becomes a line and an exit status.

    argv --parser--> the module of the command --> exit status

    0    done
    1    an input was refused: one line on stderr for each, nothing of it written, the other inputs done
    2    the command line asks for something impossible
    130  interrupted

Law: no input ends in a traceback. Where one does, it is a bug of ours.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from typing import NoReturn

from shared.errors import SettingsRefused, TaxonError, UnknownName
from shared.telemetry.redaction import redacted
from taxon.commands import COMMANDS
from taxon.errors import UsageError

OK, REFUSED, USAGE, INTERRUPTED = 0, 1, 2, 130

# gRPC's C core writes lines of its own to stderr, beside our logs, although calls report the same errors. It reads this variable when
# it is first imported; set another value to look for a fault in it.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")


class OneLineParser(argparse.ArgumentParser):
    """An argument parser whose errors are one line, like every other error of this command."""

    def error(self, message: str) -> NoReturn:
        print(f"taxon: {redacted(message)} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(USAGE)


def build_parser(arguments: Sequence[str]) -> argparse.ArgumentParser:
    """Return the parser for these arguments. Only the command that they name adds its options; the others are not imported."""
    parser = OneLineParser(
        prog="taxon", description="Six vision tasks from about a hundred bytes a frame.", allow_abbrev=False
    )
    parser.add_argument("--version", action="version", version=f"taxon {version('taxon')}")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", required=True)
    chosen = next((argument for argument in arguments if not argument.startswith("-")), None)
    for name, command in COMMANDS.items():
        sub = commands.add_parser(name, help=command.help, description=command.help, allow_abbrev=False)
        if name == chosen and not command.takes_argv:
            command.add_arguments(sub)
            sub.set_defaults(run=command.run)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit status."""
    arguments = sys.argv[1:] if argv is None else list(argv)
    try:
        service = COMMANDS.get(arguments[0]) if arguments else None
        if service is not None and service.takes_argv:
            # The hyperprior's matrix products are small. By default numpy's threads spin for a while after each, which costs more
            # than everything else that a cloud does for a frame (docs/decisions.md). numpy reads this when it is first imported.
            os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
            # A service reloads at SIGHUP. Until it can, which takes a second, the signal must not end it either.
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
            status = service.run(arguments[1:])
        else:
            parsed = build_parser(arguments).parse_args(arguments)
            status = parsed.run(parsed)
        sys.stdout.flush()
    except (UsageError, UnknownName, SettingsRefused) as error:
        return _refuse(error, USAGE)
    except TaxonError as error:
        return _refuse(error, REFUSED)
    except BrokenPipeError:
        # Whoever read our output has seen enough; keep the interpreter from complaining while it closes stdout.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return REFUSED
    except KeyboardInterrupt:
        print("taxon: interrupted", file=sys.stderr)
        return INTERRUPTED
    return status


def _refuse(error: TaxonError, status: int) -> int:
    print(f"taxon: {redacted(str(error))}", file=sys.stderr)
    return status
