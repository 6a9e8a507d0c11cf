"""Settings of a service, read once: flags, then the environment, then a file, then the defaults, which run.

    class EdgeSettings(ServiceSettings, env_prefix="TAXON_EDGE_"): ...
    settings = load_settings(EdgeSettings, "taxon edge", argv)

The file is TOML, named by --config or <PREFIX>CONFIG.
A field `queue_depth` is the flag --queue-depth, the variable TAXON_EDGE_QUEUE_DEPTH and the file's line queue_depth.
Law: an unknown or impossible setting stops the start, in one line. An unknown variable may be another program's, so
that the service only warns of it (`unknown_variables`).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal, TypeVar

from pydantic import AfterValidator, Field, ValidationError
from pydantic_core import ErrorDetails
from pydantic_settings import BaseSettings, CliApp, PydanticBaseSettingsSource, SettingsConfigDict
from typing_extensions import override

from shared.errors import SettingsRefused
from shared.server.settings_sources import NO_FILE, File, Flags, Variables
from shared.telemetry.logs import LogFormat, logger

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


class ServiceSettings(BaseSettings):
    """The settings of both services. Durations are in seconds, sizes in bytes."""

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
    insecure: bool = Field(False, description="go on without TLS or tokens where other machines are reached; warns")
    drain_seconds: float = Field(10.0, gt=0, le=600, description="how long a stopping service finishes its work")

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
    return f"{name}: {told.format(program=program, **problem.get('ctx', {}))} (given: {problem['input']!r})"
