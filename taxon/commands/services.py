"""`taxon edge` and `taxon cloud` run the services; their --help and docs/services.md have the settings."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from shared.server.lifecycle import make_room, run_service
from shared.server.settings import Settings, load_settings, reread_settings, warn_of_unknown_variables
from shared.telemetry.logs import configure_logs, log_what_nobody_caught
from taxon.defaults import bundle_directory

LIVE = frozenset({"log_level"})
"""The settings that a changed file or variable changes without a restart."""
BEYOND_DRAIN_SECONDS = 5.0
"""The time beyond the drain's after which a stop that hangs is given up."""


def run_edge(argv: Sequence[str]) -> int:
    """Run until a signal comes, and return the exit status; raises TaxonError if the service cannot start."""
    from edge_encoder.settings import EdgeSettings

    settings = _begun(EdgeSettings, "edge", argv)
    # Imported now, since --help and a refused setting need no networks.
    from edge_encoder.service import EdgeService

    directory = bundle_directory(settings.bundle)
    reread = _rereading(settings, "edge", argv)
    return run_service(lambda: EdgeService(settings, directory), reread, _last_resort_seconds(settings))


def run_cloud(argv: Sequence[str]) -> int:
    """Run until a signal comes, and return the exit status; raises TaxonError if the service cannot start."""
    from cloud_analytics.settings import CloudSettings

    settings = _begun(CloudSettings, "cloud", argv)
    from cloud_analytics.service import CloudService

    reread = _rereading(settings, "cloud", argv)
    return run_service(lambda: CloudService(settings), reread, _last_resort_seconds(settings))


def _begun(kind: type[Settings], service: str, argv: Sequence[str]) -> Settings:
    """Return the service's settings, once its logs are set up and there is room for its connections."""
    settings = load_settings(kind, f"taxon {service}", argv)
    configure_logs(service, settings.log_level, settings.log_format)
    log_what_nobody_caught()
    warn_of_unknown_variables(kind, f"taxon {service}")
    make_room(settings.http_connections + settings.rpc_connections)
    return settings


def _rereading(settings: Settings, service: str, argv: Sequence[str]) -> Callable[[], None]:
    """Return what reads the settings again at SIGHUP, and takes those that can be taken while the service runs."""
    running = settings

    def reread() -> None:
        nonlocal running
        running = reread_settings(running, f"taxon {service}", argv, LIVE)
        configure_logs(service, running.log_level, settings.log_format)

    return reread


def _last_resort_seconds(settings: Settings) -> float:
    """Return the time after which a stop that hangs is given up."""
    return settings.drain_seconds + BEYOND_DRAIN_SECONDS
