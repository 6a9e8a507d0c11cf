"""How a service's settings look on its command line and in its variables, for people.

    pydantic's flags --SettingsParser--> `--queue-depth N  frames of one camera that may wait (default: 4)`
    TAXON_EDGE_CAMERAS=door,hall --Variables--> ["door", "hall"]

Law: a wrong command line is one line and exit 2, as of every command of this project.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any, NoReturn

from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource

from shared.errors import SettingsRefused

USAGE = 2
_METAVARS = {
    "str": "TEXT",
    "int": "N",
    "float": "NUMBER",
    "Path": "PATH",
    "list[str]": "A,B,...",
    "dict[str,float]": "NAME=NUMBER,...",
}
_NO_DEFAULTS = ("(default: null)", "(default: [])", "(default: {})")


class SettingsParser(argparse.ArgumentParser):
    """Flags as pydantic makes them, in people's words. prefix: of the variables."""

    def __init__(self, program: str, description: str, prefix: str) -> None:
        super().__init__(
            prog=program,
            usage=f"{program} [--config FILE] [--SETTING VALUE ...]",
            description=description,
            epilog=f"Each setting is also a variable ({prefix}LOG_LEVEL=debug) and a line of the file that --config or {prefix}CONFIG "
            'names (TOML: log_level = "debug"). A flag goes before a variable, and that before the file.',
            allow_abbrev=False,
        )
        # For --help alone: `load_settings` takes it before this parser sees the line.
        self.add_argument("--config", metavar="FILE", default=argparse.SUPPRESS, help="TOML file with settings")

    def add_argument(self, *names: str, **options: Any) -> argparse.Action:
        """As argparse does, with words for types, and without defaults that say nothing."""
        metavar, told = options.get("metavar"), options.get("help")
        if isinstance(metavar, str):
            options["metavar"] = _METAVARS.get(metavar, metavar)
        if isinstance(told, str):
            for nothing in _NO_DEFAULTS:
                told = told.removesuffix(nothing).rstrip()
            options["help"] = told
        return super().add_argument(*names, **options)

    def error(self, message: str) -> NoReturn:
        """One line."""
        print(f"taxon: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(USAGE)


class Variables(EnvSettingsSource):
    """Environment variables; a list is A,B and a table NAME=VALUE,NAME=VALUE, as on the command line, or either in JSON."""

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Raises SettingsRefused."""
        text = str(value).strip()
        if text.startswith(("[", "{")):
            try:
                return json.loads(text)
            except ValueError as error:
                raise SettingsRefused(f"{field_name}: is no JSON: {error} (given: {text!r})") from error
        parts = [part.strip() for part in text.split(",") if part.strip()]
        if "dict" not in str(field.annotation):
            return parts
        if any("=" not in part for part in parts):
            raise SettingsRefused(f"{field_name}: must be NAME=VALUE,NAME=VALUE (given: {text!r})")
        return dict(part.split("=", 1) for part in parts)
