"""The page's files, read once from the package: a few small ones, so that no request touches the disk.

Law: what is not listed here cannot be asked for.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import PurePath

PAGE = "index.html"
_MEDIA_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}


@dataclass(frozen=True)
class WallFile:
    """One file as it is answered. etag: of its content."""

    media_type: str
    etag: str
    content: bytes = field(repr=False)


def wall_files() -> Mapping[str, WallFile]:
    """All of them, by name."""
    found: dict[str, WallFile] = {}
    for entry in files(__package__).joinpath("static").iterdir():
        media_type = _MEDIA_TYPES.get(PurePath(entry.name).suffix)
        if media_type is not None:
            content = entry.read_bytes()
            found[entry.name] = WallFile(media_type, f'"{hashlib.sha256(content).hexdigest()[:32]}"', content)
    return found
