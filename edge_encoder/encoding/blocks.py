"""The blocks that a picture was stored in: the pixels that its decoder makes together.

    an open picture file, its turn and its scale --blocks_of--> Blocks --masking--> masks that cover whole blocks

Law for JPEG and PNG: what stood in one block changes no pixel but those of the block and its spill.
WebP, AVIF, HEIC and video code a block by what stands around it, so that a faint trace of a scene can go farther. There
the blocks are those of the format, and a mask drawn with some room to spare is the better one (docs/cameras.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image

_DCT_SIDE = 8
_MIRRORED = {2: (True, False), 3: (True, True), 4: (False, True), 6: (True, False), 7: (True, True), 8: (False, True)}
"""Whether the upright picture's columns and rows run against the stored picture's, by EXIF's orientation."""
_TURNED_BY_90 = (5, 6, 7, 8)
_SIDES = {"PNG": (1, 0), "WEBP": (16, 4)}
_LARGE_BLOCKS = (64, 8)
"""Side and spill of the blocks of AVIF, HEIC and whatever else comes to be read."""


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


PIXELS_OF_VIDEO = Blocks(16, 16, 4)
"""The blocks of pictures that come as pixels: most were JPEG or H.264 before, whose blocks begin at the first pixel."""


def blocks_of(image: Image.Image, scale: int, orientation: int) -> Blocks:
    """Return the blocks of a picture file. image: as it is stored. orientation: as EXIF has it, 1 for upright."""
    width, height, spill = _stored_blocks(image, scale)
    if orientation in _TURNED_BY_90:
        width, height = height, width
    return Blocks(width, height, spill, scale, *_MIRRORED.get(orientation, (False, False)))


def _stored_blocks(image: Image.Image, scale: int) -> tuple[int, int, int]:
    sampling = [(across, down) for _, across, down, _ in getattr(image, "layer", ())]
    if image.format not in ("JPEG", "MPO") or not sampling:
        side, spill = _SIDES.get(image.format or "", _LARGE_BLOCKS)
        return side, side, spill
    across, down = max(one for one, _ in sampling), max(one for _, one in sampling)
    width, height = _DCT_SIDE * across // scale, _DCT_SIDE * down // scale
    # Colour of half the resolution is smoothed between its samples, each of which is two pixels wide.
    spill = 2 if len(set(sampling)) > 1 else 0
    if image.info.get("progressive"):
        # Where the last scans of such a file are missing, the decoder smooths blocks by those up to two away.
        spill += 2 * max(width, height)
    return width, height, spill
