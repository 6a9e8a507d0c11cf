"""The blocks that a picture was stored in: the pixels that its decoder makes together.

    a file's format, sampling and scale --> Blocks as stored --turned--> Blocks --masking--> masks that cover whole blocks

Law for JPEG and PNG: what stood in one block changes no pixel but those of the block and its spill.
WebP, AVIF, HEIC and video code a block by what stands around it, so that a faint trace of a scene can go farther. There
the blocks are those of the format, and a mask drawn with some room to spare is the better one (docs/cameras.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

_DCT_SIDE = 8
_MIRRORED = {2: (True, False), 3: (True, True), 4: (False, True), 6: (True, False), 7: (True, True), 8: (False, True)}
"""Whether the upright picture's columns and rows run against the stored picture's, by EXIF's orientation."""
TURNED_BY_90 = (5, 6, 7, 8)


@dataclass(frozen=True)
class Blocks:
    """The blocks of a decoded, upright picture. width, height: of a block, in decoded pixels.

    spill: the pixels around a block that it takes part in. scale: the picture's own pixels in a decoded one, along a side.
    mirrored_x, mirrored_y: blocks and scaled pixels are counted from the right, or from the bottom.
    """

    width: int = 1
    height: int = 1
    spill: int = 0
    scale: int = 1
    mirrored_x: bool = False
    mirrored_y: bool = False


PNG_BLOCKS = Blocks()
WEBP_BLOCKS = Blocks(16, 16, 4)
AVIF_BLOCKS = Blocks(64, 64, 8)
PIXELS_OF_VIDEO = Blocks(16, 16, 4)
"""The blocks of pictures that come as pixels: most were JPEG or H.264 before, whose blocks begin at the first pixel."""


def jpeg_blocks(sampling: Sequence[tuple[int, int]], scale: int, is_progressive: bool) -> Blocks:
    """Return the blocks of a JPEG as it is stored. sampling: of each component, across and down.

    scale: the side of the square of the picture's pixels that becomes one decoded pixel.
    """
    across, down = max(one for one, _ in sampling), max(one for _, one in sampling)
    width, height = _DCT_SIDE * across // scale, _DCT_SIDE * down // scale
    # Colour of half the resolution is smoothed between its samples, each of which is two pixels wide.
    spill = 2 if len(set(sampling)) > 1 else 0
    if is_progressive:
        # Where the last scans of such a file are missing, the decoder smooths blocks by those up to two away.
        spill += 2 * max(width, height)
    return Blocks(width, height, spill, scale)


def turned(blocks: Blocks, orientation: int) -> Blocks:
    """Return the blocks of the upright picture. orientation: as EXIF has it, 1 for upright."""
    width, height = (blocks.height, blocks.width) if orientation in TURNED_BY_90 else (blocks.width, blocks.height)
    mirrored_x, mirrored_y = _MIRRORED.get(orientation, (False, False))
    return replace(blocks, width=width, height=height, mirrored_x=mirrored_x, mirrored_y=mirrored_y)
