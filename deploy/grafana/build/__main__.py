"""Writes the dashboards' files."""

from __future__ import annotations

from pathlib import Path

from deploy.grafana.build import FILES

FOLDER = Path(__file__).resolve().parents[1] / "dashboards"

for name, content in FILES.items():
    (FOLDER / name).write_text(content)
    print(f"wrote {FOLDER.name}/{name}")
