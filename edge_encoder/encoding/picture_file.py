"""Reads a picture file: upright 8-bit RGB, and the size of the whole picture.

    bytes --unwrapped, named--> format --its own module--> Stored --turned, opaque, 8 bit--> DecodedPicture

It reads JPEG, PNG, WebP and AVIF, and takes the first frame of an animation. Alpha is composited on black, because
what is not there gives no light. 16 bits are rescaled to 8. Colour profiles are not applied, as they were not in training.

Law: every refusal is an ImageError, and no pixel is decoded of a picture that the header already rules out.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edge_encoder.encoding.blocks import PIXELS_OF_VIDEO, TURNED_BY_90, Blocks, turned
from edge_encoder.encoding.pictures.avif import decode_avif
from edge_encoder.encoding.pictures.decoded import Stored, check_size
from edge_encoder.encoding.pictures.jpeg import decode_jpeg
from edge_encoder.encoding.pictures.png import SIGNATURE, decode_png
from edge_encoder.encoding.pictures.webp import decode_webp
from shared.contract.geometry import PictureDamage
from shared.contract.picture_bytes import AVIF, JPEG, PAGES, PNG, WEBP, name_of, unwrapped
from shared.errors import ImageError, UnsupportedPicture

_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


@dataclass(frozen=True, eq=False)
class DecodedPicture:
    """An upright picture. image: 8-bit RGB, which may be smaller than the picture: a JPEG can be decoded at a fraction.

    width, height: the size of the whole upright picture in pixels. blocks: those that the image was decoded in.
    damage: None where all of it was read.
    """

    image: Image.Image = field(repr=False)
    width: int
    height: int
    blocks: Blocks
    damage: PictureDamage | None = None


def decode_file(data: bytes, smallest_side: int) -> DecodedPicture:
    """Return the picture in a file. Raises ImageError, which says why there is none.

    smallest_side: where the image is made smaller than the picture, both of its sides keep at least so many pixels.
    """
    file = unwrapped(data)
    try:
        stored = _stored(file, smallest_side)
        image = _rgb(stored.image)
    except ImageError:
        raise
    except Exception as error:
        # Decoders raise nearly any exception for damaged data; all of them mean the same to the sender.
        raise ImageError(f"the picture is damaged or truncated ({error}); send the whole file") from error
    width, height = stored.width, stored.height
    if stored.orientation in _TURNS:
        image = image.transpose(_TURNS[stored.orientation])
    if stored.orientation in TURNED_BY_90:
        width, height = height, width
    return DecodedPicture(image, width, height, turned(stored.blocks, stored.orientation), stored.damage)


def decoded_pixels(pixels: NDArray[np.uint8]) -> DecodedPicture:
    """Return a picture that is decoded already, upright RGB, uint8 [H, W, 3]. Raises ImageError as `decode_file` does."""
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise ImageError(f"decoded pictures are uint8 [H, W, 3], not {pixels.dtype} {pixels.shape}")
    image = Image.fromarray(pixels)
    check_size(*image.size)
    return DecodedPicture(image, image.width, image.height, PIXELS_OF_VIDEO)


def _stored(data: bytes, smallest_side: int) -> Stored:
    name = name_of(data)
    if name == JPEG:
        return decode_jpeg(data, smallest_side)
    if name == PNG and data.startswith(SIGNATURE):
        return decode_png(data)
    if name == WEBP:
        return decode_webp(data)
    if name == AVIF:
        return decode_avif(data)
    if name in PAGES:
        raise ImageError(f"this is {name}, and not a picture: send a JPEG, PNG, WebP or AVIF file")
    if name in ("", PNG):
        raise ImageError("not a picture that can be read: send JPEG, PNG, WebP or AVIF")
    raise UnsupportedPicture(name)


def _rgb(image: Image.Image) -> Image.Image:
    """Return 8-bit RGB of any mode that the formats come in."""
    if image.mode.startswith("I"):
        # 16-bit grey, 65535 becomes 255, rounded; Pillow's own conversion would clip at 255.
        grey = np.asarray(image).astype(np.int64).clip(0, 65535)
        image = Image.fromarray(((grey + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", layers.size, "black"), layers)
    return image if image.mode == "RGB" else image.convert("RGB")
