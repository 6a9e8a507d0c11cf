"""`taxon cloud` runs the cloud service; `taxon cloud --help` and docs/services.md have its settings."""

from __future__ import annotations

from collections.abc import Sequence

from cloud_analytics.settings import CloudSettings
from shared.server.connections.file_limit import make_room
from shared.server.lifecycle import run_service
from shared.server.settings import load_settings, warn_of_unknown_variables
from shared.telemetry.logs import configure_logs


def run(argv: Sequence[str]) -> int:
    """Run until a signal comes, and return the exit status; raises TaxonError if the service cannot start."""
    settings = load_settings(CloudSettings, "taxon cloud", argv)
    configure_logs("cloud", settings.log_level, settings.log_format)
    warn_of_unknown_variables(CloudSettings, "taxon cloud")
    # Imported now, since --help and a refused setting need no networks.
    from cloud_analytics.service import CloudService

    make_room(settings.http_connections + settings.rpc_connections)
    return run_service(lambda: CloudService(settings))
