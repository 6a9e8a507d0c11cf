"""Settings of a service, read once: flags, then the environment, then a file, then the defaults, which run.

    class EdgeSettings(ServiceSettings, env_prefix="TAXON_EDGE_"): ...
    settings = load_settings(EdgeSettings, "taxon edge", argv)

The file is TOML, named with --config or <PREFIX>CONFIG. A field `queue_depth` is the flag --queue-depth, the variable
TAXON_EDGE_QUEUE_DEPTH and the file's queue_depth. Law: an unknown or impossible setting stops the start, in one line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from pydantic import Field, ValidationError
from pydantic_settings import (
    BaseSettings,
    CliSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
    TomlConfigSettingsSource,
)

from shared.errors import TaxonError
from shared.telemetry.logs import LogFormat


class SettingsRefused(TaxonError):  # noqa: N818 - named after what happened
    """A setting that is unknown or cannot be."""


class ServiceSettings(BaseSettings):
    """What both services can be told. Durations are in seconds, sizes in bytes."""

    model_config = SettingsConfigDict(extra="forbid", frozen=True, cli_kebab_case=True, cli_implicit_flags=True)

    log_level: str = Field("info", pattern="^(debug|info|warning|error)$", description="debug, info, warning or error")
    log_format: LogFormat = Field("auto", description="json, text, or auto: text at a terminal")
    providers: str = Field(
        "auto",
        pattern="^(auto|cpu|cuda|tensorrt)$",
        description="where the networks run: auto takes the best that really loads",
    )
    threads: int = Field(0, ge=0, le=256, description="threads of one network operator; 0: all cores")
    engine_cache: Path = Field(
        Path("~/.cache/taxon/engines"), description="folder where TensorRT's built engines are kept"
    )
    drain_seconds: float = Field(10.0, gt=0, le=600, description="how long a stopping service finishes its work")


Settings = TypeVar("Settings", bound=ServiceSettings)


def load_settings(kind: type[Settings], program: str, argv: Sequence[str]) -> Settings:
    """The settings from `argv`, the environment and the file; raises SettingsRefused in one line; --help prints and exits."""
    prefix = str(kind.model_config.get("env_prefix", ""))
    arguments, file = _config_file(list(argv), os.environ.get(f"{prefix}CONFIG"))

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
                settings_cls, cli_parse_args=arguments, cli_prog_name=program, cli_hide_none_type=True
            )
            found: tuple[PydanticBaseSettingsSource, ...] = (init_settings, flags, env_settings)
            return found if file is None else (*found, TomlConfigSettingsSource(settings_cls, file))

    try:
        sourced = Sourced()
    except ValidationError as error:
        raise SettingsRefused(_in_one_line(error)) from error
    except (SettingsError, ValueError, OSError) as error:
        raise SettingsRefused(" ".join(str(error).split())) from error
    return kind.model_construct(**{name: getattr(sourced, name) for name in kind.model_fields})


def _config_file(argv: list[str], named: str | None) -> tuple[list[str], Path | None]:
    """Takes --config FILE out of the arguments."""
    if "--config" in argv:
        at = argv.index("--config")
        if at + 1 == len(argv):
            raise SettingsRefused("--config needs the name of a TOML file")
        named, argv = argv[at + 1], argv[:at] + argv[at + 2 :]
    if named is None:
        return argv, None
    if not Path(named).is_file():
        raise SettingsRefused(f"there is no settings file {named}")
    return argv, Path(named)


def _in_one_line(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(str(part) for part in problem['loc']) or 'settings'}: {problem['msg']} (given: {problem['input']!r})"
        for problem in error.errors()
    )


def print_error(error: TaxonError) -> None:
    """One line on stderr, as every command of this project does it."""
    print(f"taxon: {error}", file=sys.stderr)
