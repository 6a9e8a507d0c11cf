"""Find furniture models in the catalogues of Sweet Home 3D.

    <library>.sh3f (a zip) -> PluginFurnitureCatalog.properties -> CatalogEntry
                           -> OBJ, MTL and texture files         -> bytes

The libraries are those of Debian's package `sweethome3d-furniture`.
"""

import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

CATALOG_DIRECTORY = Path("/usr/share/sweethome3d/furniture")
LICENCES = {
    "BlendSwap-CC-0": "CC0 1.0",
    "BlendSwap-CC-BY": "CC-BY 3.0",
    "KatorLegaz": "CC-BY 3.0 US",
    "Reallusion": "CC-BY 3.0 US",
    "Scopia": "CC-BY 3.0",
}


@dataclass(frozen=True)
class CatalogEntry:
    """One furniture model as the catalogue describes it; lengths in metres."""

    library: str
    number: int
    name: str
    creator: str
    licence: str
    size: tuple[float, float, float]
    """Width (x), height (y) and depth (z)."""
    model: str
    """Path of the OBJ file inside the library."""
    rotation: tuple[float, ...] | None
    """Row-major 3x3 matrix that sets the model upright, or None."""


@cache
def _library(name: str) -> zipfile.ZipFile:
    path = CATALOG_DIRECTORY / f"{name}.sh3f"
    if not path.exists():
        raise FileNotFoundError(f"{path}: install the Debian package sweethome3d-furniture")
    return zipfile.ZipFile(path)


@cache
def _properties(library: str) -> dict[str, str]:
    text = _library(library).read("PluginFurnitureCatalog.properties").decode("latin-1")
    pairs = (line.split("=", 1) for line in text.splitlines() if "=" in line and line[0] != "#")
    return {key.strip(): value.strip().encode().decode("unicode_escape") for key, value in pairs}


def find(library: str, number: int) -> CatalogEntry:
    """Return the entry with a library's running number."""
    properties = _properties(library)

    def value(key: str) -> str:
        return properties[f"{key}#{number}"]

    rotation = properties.get(f"modelRotation#{number}")
    return CatalogEntry(
        library=library,
        number=number,
        name=value("name"),
        creator=value("creator"),
        licence=LICENCES[library],
        size=(
            float(value("width")) / 100,
            float(value("height")) / 100,
            float(value("depth")) / 100,
        ),
        model=value("model").lstrip("/"),
        rotation=tuple(map(float, rotation.split())) if rotation else None,
    )


def read(library: str, path: str) -> bytes | None:
    """Return a file of a library, or None where the library has no such file."""
    archive = _library(library)
    if path in archive.namelist():
        return archive.read(path)
    wanted = path.lower()
    match = [name for name in archive.namelist() if name.lower() == wanted]
    return archive.read(match[0]) if match else None
