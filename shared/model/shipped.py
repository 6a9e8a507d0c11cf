"""The bundle and the clips that this project ships, wherever its code lies.

    a checkout ---------> models/, samples/ beside the packages
    an installed wheel -> taxon/shipped/models/, taxon/shipped/samples/ (setup.py packs them)

Law: no look-up depends on the working directory. A folder that was not shipped still has a name, for the error that
misses it.
"""

from __future__ import annotations

from pathlib import Path

_TREE = Path(__file__).resolve().parents[2]
_PACKED = _TREE / "taxon" / "shipped"
_SHIPPED = _PACKED if _PACKED.is_dir() else _TREE

SHIPPED_BUNDLES = _SHIPPED / "models"
"""The folder with one folder for each bundle: <name>/<version>/."""
SHIPPED_BUNDLE = SHIPPED_BUNDLES / "indoor" / "2"
SHIPPED_SAMPLES = _SHIPPED / "samples"
"""The folder with one folder of JPEGs for each room."""
