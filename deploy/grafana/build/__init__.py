"""The dashboards, as code: `python -m deploy.grafana.build` writes ../dashboards/*.json, which is what Grafana reads.

    fleet, camera, services: panels with their queries --Grafana's own typed builders--> JSON

Law: the files that are committed are the ones that this writes; a test writes them again.
"""

from __future__ import annotations

from deploy.grafana.build import camera, fleet, services
from deploy.grafana.build.panels import as_json

FILES = {
    "fleet.json": as_json(fleet.made()),
    "camera.json": as_json(camera.made()),
    "services.json": as_json(services.made()),
}
"""The content of each file, by its name."""
