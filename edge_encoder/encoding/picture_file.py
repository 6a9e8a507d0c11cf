"""Reads a picture file: upright 8-bit RGB, and the size of the whole picture.

    bytes --header--> format, size (refused here if too large) --decode--> upright, 8 bit, no alpha --> DecodedPicture

It reads JPEG, PNG and WebP, and takes the first frame of an animation. Alpha is composited on black, because what is
not there gives no light. 16 bits are rescaled to 8. Colour profiles are not applied, as they were not in training.

Law: every refusal is an ImageError, and no pixel is decoded of a picture that the header already rules out.
"""

from __future__ import annotations

import io
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from edge_encoder.encoding.blocks import PIXELS_OF_VIDEO, Blocks, blocks_of
from shared.errors import ImageError

FORMATS = ("JPEG", "PNG", "WEBP")
SMALLEST_SIDE = 16
LARGEST_PIXELS = 64_000_000

_EXIF_ORIENTATION = 0x0112
_TURNED_BY_90 = (5, 6, 7, 8)


@dataclass(frozen=True, eq=False)
class DecodedPicture:
    """An upright picture. image: 8-bit RGB, which may be smaller than the picture: a JPEG can be decoded at a fraction.

    width, height: the size of the whole upright picture in pixels. blocks: those that the image was decoded in.
    """

    image: Image.Image = field(repr=False)
    width: int
    height: int
    blocks: Blocks


def decode_file(data: bytes, smallest_side: int) -> DecodedPicture:
    """Return the picture in a file. Raises ImageError, which says why there is none.

    smallest_side: where the image is made smaller than the picture, both of its sides keep at least so many pixels.
    """
    with _opened(data) as image:
        _check_size(*image.size)
        try:
            return _decoded(image, smallest_side)
        except Exception as error:
            # Pillow's decoders raise nearly any exception for damaged data; all of them mean the same to the sender.
            raise ImageError(f"the picture is damaged or truncated ({error}); send the whole file") from error


def decoded_pixels(pixels: NDArray[np.uint8]) -> DecodedPicture:
    """Return a picture that is decoded already, upright RGB, uint8 [H, W, 3]. Raises ImageError as `decode_file` does."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ImageError(f"decoded pictures are uint8 [H, W, 3], not {pixels.dtype} {pixels.shape}")
    image = Image.fromarray(pixels)
    _check_size(*image.size)
    return DecodedPicture(image, image.width, image.height, PIXELS_OF_VIDEO)


def _opened(data: bytes) -> Image.Image:
    try:
        return Image.open(io.BytesIO(data), formats=FORMATS)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(_too_large("far more")) from error
    except Exception as error:
        # As in `decode_file`: a broken header ends in whatever its parser stumbles over.
        raise ImageError("not a picture that can be read: send JPEG, PNG or WebP") from error


def _check_size(width: int, height: int) -> None:
    if width * height > LARGEST_PIXELS:
        raise ImageError(_too_large(f"{width}x{height}"))
    if min(width, height) < SMALLEST_SIDE:
        raise ImageError(f"the picture is {width}x{height} pixels; each side must have at least {SMALLEST_SIDE}")


def _too_large(found: str) -> str:
    return f"the picture has {found} pixels; at most {LARGEST_PIXELS // 1_000_000} million are taken: scale it down"


def _decoded(image: Image.Image, smallest_side: int) -> DecodedPicture:
    stored = image.size
    # JPEG decodes to an eighth, a quarter or half the size for a fraction of the time, still no smaller than asked for.
    # A square is asked for, because the picture may yet be turned.
    drafted = image.draft("RGB", (smallest_side, smallest_side))
    scale = 1 if drafted is None else round(stored[0] / drafted[1][2])
    image.load()
    orientation = image.getexif().get(_EXIF_ORIENTATION, 1)
    width, height = reversed(stored) if orientation in _TURNED_BY_90 else stored
    blocks = blocks_of(image, scale, orientation)
    return DecodedPicture(_rgb(ImageOps.exif_transpose(image)), width, height, blocks)


def _rgb(image: Image.Image) -> Image.Image:
    """Return 8-bit RGB of any mode that the three formats come in."""
    if image.mode.startswith("I"):
        # 16-bit grey, 65535 becomes 255, rounded; Pillow's own conversion would clip at 255.
        grey = np.asarray(image).astype(np.int64).clip(0, 65535)
        image = Image.fromarray(((grey + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layers.size, "black"), layers)
    return image.convert("RGB")
