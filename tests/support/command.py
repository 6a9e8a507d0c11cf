"""The real command `taxon` in a process of its own, and how it ended."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image


@dataclass(frozen=True)
class Finished:
    """How a command ended."""

    status: int
    out: str
    errors: tuple[str, ...]

    def error_about(self, name: str) -> str:
        """The one error line that names a file."""
        found = [line for line in self.errors if f"/{name}:" in line]
        assert len(found) == 1, f"expected one error line about {name}, got {self.errors}"
        return found[0]


def taxon(*arguments: object, bundle: Path | None = None, cwd: Path | None = None) -> Finished:
    """Run the command. Whatever happens, its stderr consists of lines that begin with `taxon: `."""
    argv = [sys.executable, "-m", "taxon", *map(str, arguments)]
    if bundle is not None:
        argv += ["--bundle", str(bundle)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, cwd=cwd, check=False)
    errors = tuple(done.stderr.splitlines())
    strays = [line for line in errors if not line.startswith("taxon: ") and not line.startswith("evaluate ")]
    assert not strays, done.stderr
    return Finished(done.returncode, done.stdout, tuple(line for line in errors if line.startswith("taxon: ")))


def files_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file()) if folder.exists() else []


def room(width: int = 96, height: int = 64) -> Image.Image:
    """A picture whose corners differ, so that a turned one is another picture."""
    across, down = np.meshgrid(np.linspace(0, 255, width), np.linspace(0, 255, height))
    return Image.fromarray(np.stack([across, down, 255 - across], axis=-1).astype(np.uint8))
