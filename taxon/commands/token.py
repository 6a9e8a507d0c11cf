"""`taxon token NAME SCOPE,SCOPE` makes a token for a client, and the line for it in a service's token file.

    256 random bits --> FILE (mode 600), for the client        their SHA-256 --> a line: on stdout, or appended to --add-to FILE

Law: the token itself is in the client's file alone. It is on no terminal, in no log and in no shell's history.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import stat
from pathlib import Path

from shared.server.access.scopes import read_scopes
from shared.server.access.token_file import new_token, read_tokens, token_line
from taxon.errors import CommandError, UsageError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("name", metavar="NAME", help="the token's name, for logs")
    parser.add_argument(
        "scopes",
        metavar="SCOPE,SCOPE",
        help="post:CAMERAS, subscribe:CAMERAS, uplink:CAMERAS, manage:CAMERAS, metrics, admin; "
        "CAMERAS: a name, or a pattern such as shop7-*",
    )
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="new file for the token")
    parser.add_argument("--add-to", type=Path, metavar="FILE", help="token file of the service (default: stdout)")


def run(arguments: argparse.Namespace) -> int:
    token = new_token()
    try:
        line = token_line(arguments.name, token, read_scopes(arguments.scopes))
    except ValueError as error:
        raise UsageError(str(error)) from error
    try:
        _make(arguments.output, token, line, arguments.add_to)
    except OSError as error:
        raise CommandError(f"{error.filename or arguments.output}: {error.strerror}") from error
    except ValueError as error:
        raise CommandError(f"{arguments.add_to}: {error}") from error
    if arguments.add_to is None:
        print(line)
    return 0


def _make(output: Path, token: str, line: str, add_to: Path | None) -> None:
    before = ""
    if add_to is not None:
        before = add_to.read_text(encoding="utf-8") if add_to.exists() else ""
        before += "" if before.endswith("\n") or not before else "\n"
        read_tokens(before + line)
    with os.fdopen(os.open(output, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(token + "\n")
    if add_to is not None:
        _replace(add_to, before + line + "\n")


def _replace(path: Path, text: str) -> None:
    """Replace the file at once, since a service may read it at this moment. Its owner and mode stay; a new file is for the group."""
    written = path.with_name(path.name + ".new")
    written.unlink(missing_ok=True)
    with os.fdopen(os.open(written, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o640), "w", encoding="utf-8") as file:
        if path.exists():
            earlier = path.stat()
            with contextlib.suppress(PermissionError):
                os.fchown(file.fileno(), earlier.st_uid, earlier.st_gid)
            os.fchmod(file.fileno(), stat.S_IMODE(earlier.st_mode))
        file.write(text)
    written.replace(path)
