"""Where a service's settings come from: its flags, its variables and its file.

    --queue-depth 5 --cameras door,hall --Flags--> {"queue_depth": "5", "cameras": ["door", "hall"]}
    TAXON_EDGE_CAMERAS=door,hall --Variables--> {"cameras": ["door", "hall"]}
    --config edge.toml, or TAXON_EDGE_CONFIG=edge.toml --File--> the lines of edge.toml

Law: a list is A,B and a table NAME=VALUE,NAME=VALUE in flags and variables, or either in JSON.
Law: a wrong command line is one line and exit 2, as of every command of this project.
"""

from __future__ import annotations

import argparse
import json
import sys
import tomllib
from pathlib import Path
from typing import Any, NoReturn, get_origin

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, CliSettingsSource, EnvSettingsSource, InitSettingsSource
from typing_extensions import override

from shared.errors import SettingsRefused

NO_FILE = "--config needs the name of a TOML file"
_TYPES = {"str": "TEXT", "int": "N", "float": "NUMBER", "Path": "PATH"}
_METAVARS = _TYPES | {"list[str]": "A,B,...", "dict[str,float]": "NAME=NUMBER,..."}
_NO_DEFAULTS = ("(default: null)", "(default: [])", "(default: {})")


class _Parser(argparse.ArgumentParser):
    """The parser of pydantic's flags, which says in people's words what they take."""

    @override
    def add_argument(self, *names: str, **options: Any) -> argparse.Action:
        metavar, told = options.get("metavar"), options.get("help")
        if isinstance(metavar, str):
            options["metavar"] = "FILE" if "--config" in names else _METAVARS.get(metavar, metavar)
        if isinstance(told, str):
            for nothing in _NO_DEFAULTS:
                told = told.removesuffix(nothing).rstrip()
            options["help"] = told
        return super().add_argument(*names, **options)

    @override
    def error(self, message: str) -> NoReturn:
        print(f"taxon: {message} (see {self.prog} --help)", file=sys.stderr)
        raise SystemExit(2)


class Variables(EnvSettingsSource):
    """Environment variables."""

    @override
    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        return _list_or_table(field_name, field, str(value).strip())


class Flags(CliSettingsSource[Any]):
    """The command line. program: its name, such as "taxon edge"."""

    def __init__(self, kind: type[BaseSettings], program: str) -> None:
        prefix = str(kind.model_config.get("env_prefix", ""))
        parser = _Parser(
            prog=program,
            usage=f"{program} [--config FILE] [--SETTING VALUE ...]",
            description=(kind.__doc__ or "").strip(),
            epilog=f"Each setting is also a variable ({prefix}LOG_LEVEL=debug) and a line of the file that --config or {prefix}CONFIG "
            'names (TOML: log_level = "debug"). A flag goes before a variable, and that before the file.',
            allow_abbrev=False,
        )
        super().__init__(kind, root_parser=parser, add_argument_method=_Parser.add_argument, cli_hide_none_type=True)

    @override
    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        if not all(part.strip() for part in value.split(",")):
            # The shell may have put nothing in the place of a name.
            raise SettingsRefused(f"{field_name}: has an empty part (given: {value!r})")
        return _list_or_table(field_name, field, value)


class File(InitSettingsSource):
    """The file that a flag or a variable names as `config`."""

    @override
    def __call__(self) -> dict[str, Any]:
        if (named := self.current_state.get("config")) is None:
            return {}
        if not named:
            raise SettingsRefused(NO_FILE)
        try:
            found = tomllib.loads(Path(named).read_text("utf-8"))
        except OSError as error:
            raise SettingsRefused(f"there is no settings file {named} ({error.strerror})") from error
        except ValueError as error:
            raise SettingsRefused(f"{named}: is no TOML: {error}") from error
        if "config" in found:
            raise SettingsRefused(f"{named}: config is no setting of a file")
        return found


def _list_or_table(name: str, field: FieldInfo, text: str) -> Any:
    """Return the parts of a list or table, as text; raises SettingsRefused."""
    if text.startswith(("[", "{")):
        try:
            return json.loads(text)
        except ValueError as error:
            raise SettingsRefused(f"{name}: is no JSON: {error} (given: {text!r})") from error
    parts = [part.strip() for part in text.split(",") if part.strip()]
    if get_origin(field.annotation) is not dict:
        return parts
    if any("=" not in part for part in parts):
        raise SettingsRefused(f"{name}: must be NAME=VALUE,NAME=VALUE ({field.description}) (given: {text!r})")
    return dict(part.split("=", 1) for part in parts)
