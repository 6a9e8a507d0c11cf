"""Draws what an edge would code of a picture, without an edge: to try masks and a crop before a camera has them.

    picture file, view (JSON or TOML) --preview_of--> PNG: the network's input in its place, outlines, the crop's border

Law: it goes the edge's own way, by the same code, so that what is seen here is what is coded there.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Mapping
from pathlib import Path

from edge_encoder.encoding.preprocess import preprocess
from edge_encoder.encoding.preview import drawn_preview
from edge_encoder.encoding.view import View
from shared.contract.geometry import InputSize
from shared.errors import BadRequest, ImageError
from taxon.errors import InputError
from taxon.files import LARGEST_PICTURE_BYTES, read_bytes

LARGEST_VIEW_BYTES = 1 << 20


def preview_of(picture: Path, view: View, size: InputSize) -> bytes:
    """Return a PNG file. size: the network's input. Raises InputError."""
    try:
        return drawn_preview(preprocess(read_bytes(picture, LARGEST_PICTURE_BYTES), size, view), view)
    except (ImageError, InputError) as error:
        raise InputError(f"{picture}: {error}") from error


def read_view(path: Path) -> View:
    """Return the view in a file: TOML where its name ends so, else JSON. A camera's whole plan is read for its view.

    Raises InputError.
    """
    try:
        text = read_bytes(path, LARGEST_VIEW_BYTES).decode()
        document = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
        plan = document.get("view") if isinstance(document, Mapping) and "view" in document else document
        return View.read(plan)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
    except (ValueError, RecursionError, BadRequest) as error:
        raise InputError(f"{path}: no view can be read here: {error}") from error
