"""Settings of a service, read once: flags, then the environment, then a file, then the defaults, which run.

    class EdgeSettings(ServiceSettings, env_prefix="TAXON_EDGE_"): ...
    settings = load_settings(EdgeSettings, "taxon edge", argv)

The file is TOML, named with --config or <PREFIX>CONFIG. A field `queue_depth` is the flag --queue-depth, the variable
TAXON_EDGE_QUEUE_DEPTH and the file's queue_depth. Law: an unknown or impossible setting stops the start, in one line; an unknown
variable, which may be another program's, is only told (`unknown_variables`).
"""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from shared.errors import SettingsRefused
from shared.server.settings_help import SettingsParser, Variables
from shared.telemetry.logs import LogFormat, logger

log = logger("service")

_ADDRESS = re.compile(r"(\[[0-9a-fA-F:]+\]|[A-Za-z0-9.-]*):(?P<port>[0-9]{1,5})", re.ASCII)
_OF_KUBERNETES = re.compile(r"(SERVICE_HOST|SERVICE_PORT.*|PORT(_.*)?)")
"""What it sets for a service that happens to be called after ours."""
_FROM_PARSING = re.compile(r"Parsing error encountered for (?P<name>\w+): .*", re.DOTALL)
_NUMBERS = {
    "int_parsing": "must be a whole number",
    "int_type": "must be a whole number",
    "int_from_float": "must be a whole number",
    "float_parsing": "must be a number",
    "float_type": "must be a number",
}


def checked_address(text: str) -> str:
    """HOST:PORT; raises ValueError."""
    match = _ADDRESS.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise ValueError("must be an address, HOST:PORT, such as 127.0.0.1:8080 or [::1]:8080")
    return text


def checked_addresses(text: str) -> str:
    """HOST:PORT, or several with commas; raises ValueError."""
    return ",".join(checked_address(part.strip()) for part in text.split(","))


Address = Annotated[str, AfterValidator(checked_address)]
Addresses = Annotated[str, AfterValidator(checked_addresses)]


class ServiceSettings(BaseSettings):
    """What both services can be told. Durations are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, cli_kebab_case=True, cli_implicit_flags=True)

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
    insecure: bool = Field(False, description="go on without TLS or tokens where other machines are reached; warns")
    drain_seconds: float = Field(10.0, gt=0, le=600, description="how long a stopping service finishes its work")


Settings = TypeVar("Settings", bound=ServiceSettings)


def load_settings(kind: type[Settings], program: str, argv: Sequence[str]) -> Settings:
    """The settings from `argv`, the environment and the file; raises SettingsRefused in one line; --help prints and exits."""
    prefix = str(kind.model_config.get("env_prefix", ""))
    arguments, file = _config_file(list(argv), os.environ.get(f"{prefix}CONFIG"))
    parser = SettingsParser(program, (kind.__doc__ or "").strip(), prefix)

    class Sourced(kind):  # type: ignore[valid-type,misc]
        __doc__ = kind.__doc__

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            **_: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            flags: CliSettingsSource[Any] = CliSettingsSource(
                settings_cls,
                cli_parse_args=arguments,
                root_parser=parser,
                add_argument_method=SettingsParser.add_argument,
                cli_hide_none_type=True,
            )
            found: tuple[PydanticBaseSettingsSource, ...] = (init_settings, flags, Variables(settings_cls))
            return found if file is None else (*found, TomlConfigSettingsSource(settings_cls, file))

    try:
        sourced = Sourced()
    except ValidationError as error:
        raise SettingsRefused(_in_one_line(error, program)) from error
    except tomllib.TOMLDecodeError as error:
        raise SettingsRefused(f"{file}: is no TOML: {error}") from error
    except (SettingsError, ValueError, OSError) as error:
        raise SettingsRefused(_of_parsing(kind, " ".join(str(error).split()))) from error
    return kind.model_construct(**{name: getattr(sourced, name) for name in kind.model_fields})


def unknown_variables(kind: type[ServiceSettings]) -> tuple[str, ...]:
    """The environment's variables that begin as this service's do and are none of its settings."""
    prefix = str(kind.model_config.get("env_prefix", ""))
    known = {prefix + name.upper() for name in (*kind.model_fields, "config")}
    found = [name for name in os.environ if name.startswith(prefix) and name not in known]
    return tuple(sorted(name for name in found if not _OF_KUBERNETES.fullmatch(name.removeprefix(prefix))))


def warn_of_unknown_variables(kind: type[ServiceSettings], program: str) -> None:
    """A line for each, once the logs are set up."""
    for name in unknown_variables(kind):
        log.warning("a variable is no setting", variable=name, see=f"{program} --help")


def _config_file(argv: list[str], named: str | None) -> tuple[list[str], Path | None]:
    """Takes --config FILE, or --config=FILE, out of the arguments."""
    at = next((at for at, word in enumerate(argv) if word == "--config" or word.startswith("--config=")), None)
    if at is not None:
        flag, given, value = argv[at].partition("=")
        if not given and at + 1 < len(argv):
            value = argv[at + 1]
        if not value:
            raise SettingsRefused(f"{flag} needs the name of a TOML file")
        named, argv = value, argv[:at] + argv[at + (1 if given else 2) :]
    if named is None:
        return argv, None
    if not Path(named).is_file():
        raise SettingsRefused(f"there is no settings file {named}")
    return argv, Path(named)


def _in_one_line(error: ValidationError, program: str) -> str:
    told: list[str] = []
    for problem in error.errors():
        name = ".".join(str(part) for part in problem["loc"]) or "settings"
        said = problem["msg"].removeprefix("Value error, ")
        said = re.sub(r"^(Input|String) should ", "must ", said)
        if problem["type"] == "extra_forbidden":
            said = f"is no setting, see {program} --help"
        told.append(f"{name}: {_NUMBERS.get(problem['type'], said)} (given: {problem['input']!r})")
    return "; ".join(told)


def _of_parsing(kind: type[ServiceSettings], text: str) -> str:
    """What a flag should have been, by its description; where the fault is another one, the text itself."""
    match = _FROM_PARSING.fullmatch(text)
    field = None if match is None else kind.model_fields.get(match["name"])
    return text if match is None or field is None else f"{match['name']}: cannot be read ({field.description})"
