"""`taxon edge` runs the edge service; `taxon edge --help` and docs/services.md have its settings."""

from __future__ import annotations

from collections.abc import Sequence

from edge_encoder.settings import EdgeSettings
from shared.server.connections.file_limit import make_room
from shared.server.lifecycle import run_service
from shared.server.settings import load_settings, warn_of_unknown_variables
from shared.telemetry.logs import configure_logs
from taxon.defaults import bundle_directory


def run(argv: Sequence[str]) -> int:
    """Run until a signal comes, and return the exit status; raises TaxonError if the service cannot start."""
    settings = load_settings(EdgeSettings, "taxon edge", argv)
    configure_logs("edge", settings.log_level, settings.log_format)
    warn_of_unknown_variables(EdgeSettings, "taxon edge")
    # Imported now, since --help and a refused setting need no networks.
    from edge_encoder.service import EdgeService

    make_room(settings.http_connections + settings.rpc_connections)
    directory = bundle_directory(settings.bundle)
    return run_service(lambda: EdgeService(settings, directory))
