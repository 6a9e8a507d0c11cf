"""Settings of a service, read once: flags, then the environment, then a file, then the defaults, which run.

    class EdgeSettings(ServiceSettings, env_prefix="TAXON_EDGE_"): ...
    settings = load_settings(EdgeSettings, "taxon edge", argv)

    --queue-depth 5 --cameras door,hall --Flags--> {"queue_depth": "5", "cameras": ["door", "hall"]}
    TAXON_EDGE_CAMERAS=door,hall --Variables--> {"cameras": ["door", "hall"]}

The file is TOML, named by --config or <PREFIX>CONFIG.
A field `queue_depth` is the flag --queue-depth, the variable TAXON_EDGE_QUEUE_DEPTH and the file's line queue_depth.
Law: an unknown or impossible setting stops the start, in one line. An unknown variable may be another program's, so
that the service only warns of it (`unknown_variables`). A list is A,B and a table NAME=VALUE,NAME=VALUE in flags and
variables, or either in JSON. A wrong command line is one line and exit 2, as of every command of this project.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tomllib
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal, NoReturn, TypeVar, get_origin

from pydantic import AfterValidator, Field, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    CliApp,
    CliSettingsSource,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import override

from shared.errors import SettingsRefused
from shared.server.access.web_terms import WebTerms, checked_origin
from shared.telemetry.logs import LogFormat, logger
from shared.telemetry.redaction import redacted

log = logger("service")

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]*):(?P<port>[0-9]{1,5})", re.ASCII)
_OF_KUBERNETES = re.compile(r"(SERVICE_HOST|SERVICE_PORT.*|PORT(_.*)?)")
"""The variables that Kubernetes sets for a service of its own that is called as ours."""
_COMPLAINTS = {
    "extra_forbidden": "is no setting, see {program} --help",
    "value_error": "{error}",
    "literal_error": "must be {expected}",
    "string_pattern_mismatch": "must match pattern '{pattern}'",
    "greater_than": "must be greater than {gt:.15g}",
    "greater_than_equal": "must be greater than or equal to {ge:.15g}",
    "less_than_equal": "must be less than or equal to {le:.15g}",
    "bool_parsing": "must be a valid boolean, unable to interpret input",
    "list_type": "must be a valid list",
    "dict_type": "must be a valid dictionary",
    **dict.fromkeys(("int_parsing", "int_type", "int_from_float"), "must be a whole number"),
    **dict.fromkeys(("float_parsing", "float_type"), "must be a number"),
}
"""The words that stand for pydantic's own, by the kind of its error."""
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
        print(f"taxon: {redacted(message)} (see {self.prog} --help)", file=sys.stderr)
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
        apart: frozenset[str] = getattr(self.settings_cls, "TABLES_APART", frozenset())
        return {name: value for name, value in found.items() if not (name in apart and isinstance(value, dict))}


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


def checked_address(text: str) -> str:
    """Return an address, HOST:PORT; raises ValueError for what is none."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise ValueError("must be an address, HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080")
    return text


def checked_addresses(text: str) -> str:
    """Return one address, HOST:PORT, or several with commas; raises ValueError."""
    return ",".join(checked_address(part.strip()) for part in text.split(","))


Address = Annotated[str, AfterValidator(checked_address)]
Addresses = Annotated[str, AfterValidator(checked_addresses)]
Origin = Annotated[str, AfterValidator(checked_origin)]


class ServiceSettings(BaseSettings):
    """The settings of both services. Durations are in seconds, sizes in bytes."""

    TABLES_APART: ClassVar[frozenset[str]] = frozenset()
    """The tables of the file that are no settings; the service reads them by itself, and follows their changes."""

    model_config = SettingsConfigDict(
        extra="forbid", frozen=True, cli_kebab_case=True, cli_implicit_flags=True, enable_decoding=False
    )

    config: Path | None = Field(None, description="TOML file with settings")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="what is logged at least")
    http_connections: int = Field(
        800,
        ge=8,
        le=100_000,
        description="HTTP connections at once; where one more comes, the one that is idle longest goes",
    )
    rpc_connections: int = Field(
        4000, ge=8, le=100_000, description="gRPC connections at once; where there are so many, one more is closed"
    )
    log_format: LogFormat = Field("auto", description="json, text, or auto: text at a terminal")
    providers: Literal["auto", "cpu", "cuda", "tensorrt"] = Field(
        "auto", description="where the networks run: auto takes the best that really loads"
    )
    threads: int = Field(0, ge=0, le=256, description="threads of one network operator; 0: all cores")
    engine_cache: Path = Field(
        Path("~/.cache/taxon/engines"), description="folder where TensorRT's built engines are kept"
    )
    camera_series_seconds: float = Field(
        86400.0, gt=0, description="metrics of a camera that gives nothing are forgotten after so long: it has left"
    )
    tls_certificate: Path | None = Field(None, description="PEM file, with its chain; both ports then speak TLS alone")
    tls_key: Path | None = Field(
        None, description="PEM file of its key; all these files are read again when they change"
    )
    tls_client_ca: Path | None = Field(None, description="PEM file; a client must have a certificate that it signed")
    tls_clients: Literal["all", "rpc"] = Field(
        "all", description="the ports that ask for a client's certificate: all, or rpc (probes and browsers have none)"
    )
    tokens: Path | None = Field(None, description="file of the tokens' hashes and scopes, made with `taxon token`")
    tokens_in_urls: bool = Field(
        False, description="take a token also out of an address (?token=), where proxies and histories keep it; warns"
    )
    cors_origins: list[Origin] = Field(
        [], description="origins whose pages may ask the HTTP port, such as https://shop.example; * for all"
    )
    insecure: bool = Field(False, description="go on without TLS or tokens where other machines are reached; warns")
    drain_seconds: float = Field(10.0, gt=0, le=600, description="how long a stopping service finishes its work")

    @property
    def web_terms(self) -> WebTerms:
        """The terms of the HTTP port for browsers and simple devices."""
        return WebTerms(tuple(self.cors_origins), self.tokens_in_urls)

    @override
    def __repr__(self) -> str:
        return redacted(super().__repr__())

    @override
    def __str__(self) -> str:
        return redacted(super().__str__())

    @classmethod
    @override
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        return init_settings, Variables(settings_cls), File(settings_cls, {})


Settings = TypeVar("Settings", bound=ServiceSettings)


def load_settings(kind: type[Settings], program: str, argv: Sequence[str]) -> Settings:
    """Return the settings of flags, environment and file; --help exits. Raises SettingsRefused, in one line."""
    if "--config" in argv[-1:]:
        raise SettingsRefused(NO_FILE)
    try:
        return CliApp.run(kind, list(argv), cli_settings_source=Flags(kind, program))
    except ValidationError as error:
        raise SettingsRefused("; ".join(_complaint(problem, program) for problem in error.errors())) from error


def reread_settings(running: Settings, program: str, argv: Sequence[str], live: Collection[str]) -> Settings:
    """Read the settings again, and log which of them have changed; raises SettingsRefused.

    running: the settings that hold. live: the names of those that are taken without a restart; all others wait for one.
    """
    found = load_settings(type(running), program, argv)
    changed = [name for name in type(running).model_fields if getattr(found, name) != getattr(running, name)]
    if waiting := [name for name in changed if name not in live]:
        log.warning("settings have changed that a restart takes", settings=waiting)
    if taken := [name for name in changed if name in live]:
        log.info("settings have changed", settings=taken)
    return found


def unknown_variables(kind: type[ServiceSettings]) -> tuple[str, ...]:
    """Return the environment's variables that begin as this service's do and are none of its settings."""
    prefix = str(kind.model_config.get("env_prefix", ""))
    known = {prefix + name.upper() for name in kind.model_fields}
    found = [name for name in os.environ if name.startswith(prefix) and name not in known]
    return tuple(sorted(name for name in found if not _OF_KUBERNETES.fullmatch(name.removeprefix(prefix))))


def warn_of_unknown_variables(kind: type[ServiceSettings], program: str) -> None:
    """Log a line for each, once the logs are set up."""
    for name in unknown_variables(kind):
        log.warning("a variable is no setting", variable=name, see=f"{program} --help")


def _complaint(problem: ErrorDetails, program: str) -> str:
    name = ".".join(str(part) for part in problem["loc"]) or "settings"
    told = _COMPLAINTS.get(problem["type"], problem["msg"].replace("{", "{{").replace("}", "}}"))
    complaint = f"{name}: {told.format(program=program, **problem.get('ctx', {}))}"
    return redacted(f"{complaint} (given: {redacted(repr(problem['input']))})")
