"""Lay frames of every room out on one sheet: `python -m tools.rooms.sheet samples docs/figures/rooms.jpg`."""

import argparse
from pathlib import Path

from PIL import Image

from tools.rooms.homes import ROOMS

_TILE = (300, 225)
_COLUMNS = 4
_GAP = 4
_QUALITY = 82


def contact_sheet(samples: Path) -> Image.Image:
    """One row a room, its frames evenly from the first to the last."""
    width, height = _TILE
    names = [name for name in ROOMS if any((samples / name).glob("*.jpg"))]
    size = (_COLUMNS * (width + _GAP) - _GAP, len(names) * (height + _GAP) - _GAP)
    sheet = Image.new("RGB", size, "white")
    for row, name in enumerate(names):
        frames = sorted((samples / name).glob("*.jpg"))
        for column in range(_COLUMNS):
            path = frames[round(column * (len(frames) - 1) / (_COLUMNS - 1))]
            with Image.open(path) as frame:
                tile = frame.resize(_TILE, Image.Resampling.LANCZOS)
            sheet.paste(tile, (column * (width + _GAP), row * (height + _GAP)))
    return sheet


def main() -> None:
    """Read the command line and write the sheet."""
    parser = argparse.ArgumentParser(prog="python -m tools.rooms.sheet", description=__doc__)
    parser.add_argument("samples", type=Path)
    parser.add_argument("figure", type=Path)
    options = parser.parse_args()
    options.figure.parent.mkdir(parents=True, exist_ok=True)
    contact_sheet(options.samples).save(options.figure, quality=_QUALITY, optimize=True)


if __name__ == "__main__":
    main()
