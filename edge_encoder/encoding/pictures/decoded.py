"""What a picture file holds, the bounds that hold for every format, and how much of a picture may be missing.

    file --format's own module--> Stored: pixels as the file has them, not turned

Law: no pixel is decoded of a picture whose header is beyond the bounds.
Law: a picture is taken when at least one block row is whole, and no more than `most_missing` of them are not.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from PIL import Image

from edge_encoder.encoding.blocks import Blocks
from shared.contract.geometry import Damage, PictureDamage
from shared.errors import ImageError

SMALLEST_SIDE = 16
LARGEST_PIXELS = 64_000_000
PNG_BLOCK_ROWS = 8
"""The pixel rows that count as one block row where the format has no blocks."""

_MOST_MISSING = 4
_LARGEST_MISSING_PART = 8


@dataclass(frozen=True, eq=False)
class Stored:
    """A picture as its file has it. image: in any mode, not yet turned; smaller than the picture where it was drafted.

    width, height: the whole picture as it is stored. blocks: as they are stored. orientation: as in EXIF, 1 to 8.
    damage: None for a whole picture.
    """

    image: Image.Image = field(repr=False)
    width: int
    height: int
    blocks: Blocks
    orientation: int = 1
    damage: PictureDamage | None = None


def check_size(width: int, height: int) -> None:
    """Raise ImageError for a size that is not taken."""
    if width * height > LARGEST_PIXELS:
        raise ImageError(too_large(f"{width}x{height}"))
    if min(width, height) < SMALLEST_SIDE:
        raise ImageError(f"the picture is {width}x{height} pixels; each side must have at least {SMALLEST_SIDE}")


def too_large(found: str) -> str:
    """Return the refusal of a picture with so many pixels."""
    return f"the picture has {found} pixels; at most {LARGEST_PIXELS // 1_000_000} million are taken: scale it down"


def most_missing(block_rows: int) -> int:
    """Return how many of a picture's block rows may be missing: four, and an eighth of them at most, but one."""
    return min(max(1, min(_MOST_MISSING, block_rows // _LARGEST_MISSING_PART)), block_rows - 1)


def cut(missing: int, block_rows: int) -> PictureDamage:
    """Return the damage of a picture whose last block rows are missing. Raises ImageError where too many are."""
    if missing > most_missing(block_rows):
        raise ImageError(
            f"the picture is truncated: {block_rows - missing} of its {block_rows} block rows are there, and at most "
            f"{most_missing(block_rows)} may be missing; send the whole file"
        )
    return PictureDamage(Damage.CUT, f"{missing} of {block_rows} block rows are missing")
