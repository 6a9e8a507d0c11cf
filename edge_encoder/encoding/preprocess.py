"""Turns a picture into a frame: upright RGB of the network's input size, of what its camera's view lets be coded.

    bytes --decode_file--> DecodedPicture --masks--> grey there --crop, stretch--> Frame

Law: every refusal is an ImageError. Where a view cannot be applied, the picture is refused and never taken without it.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edge_encoder.encoding.masking import masked
from edge_encoder.encoding.picture_file import DecodedPicture, decode_file, decoded_pixels
from edge_encoder.encoding.view import WHOLE_PICTURE, View
from shared.contract.geometry import Crop, Frame, Geometry, InputSize
from shared.errors import ViewNotApplied


def preprocess(data: bytes, size: InputSize, view: View = WHOLE_PICTURE) -> Frame:
    """Return the frame in a picture file. Raises ImageError, which says why there is none.

    size: the network's input. Scaling is bilinear with antialiasing, each axis by its own factor.
    """
    return network_input(decode_file(data, view.least_side(max(size.width, size.height))), size, view)


def preprocess_pixels(pixels: NDArray[np.uint8], size: InputSize, view: View = WHOLE_PICTURE) -> Frame:
    """Return the frame in a decoded picture, upright RGB, uint8 [H, W, 3]. Raises ImageError as `preprocess` does."""
    return network_input(decoded_pixels(pixels), size, view)


def network_input(picture: DecodedPicture, size: InputSize, view: View = WHOLE_PICTURE) -> Frame:
    """Return what the view shows of the picture, stretched to the network's input. Raises ViewNotApplied."""
    try:
        crop = view.crop_of(picture.width, picture.height)
        image, box = masked(picture, view.masks), None
        if crop is not None:
            image, box = _cropped(picture, image, crop)
    except ViewNotApplied:
        raise
    except Exception as error:
        # Whatever it was: the picture must not go on without its masks.
        raise ViewNotApplied(f"the masks could not be applied ({type(error).__name__}: {error})") from error
    stretched = image.resize((size.width, size.height), Image.Resampling.BILINEAR, box)
    geometry = Geometry(picture.width, picture.height, size.width, size.height, crop)
    return Frame(np.asarray(stretched, np.uint8), geometry, picture.damage)


def _cropped(
    picture: DecodedPicture, image: Image.Image, crop: Crop
) -> tuple[Image.Image, tuple[float, float, float, float]]:
    """Return the decoded pixels that the crop has a part of, and the crop's left, top, right and bottom among them."""
    blocks = picture.blocks
    left, right = _decoded_span(crop.x, crop.width, picture.width, image.width, blocks.scale, blocks.mirrored_x)
    top, bottom = _decoded_span(crop.y, crop.height, picture.height, image.height, blocks.scale, blocks.mirrored_y)
    x, y = math.floor(left), math.floor(top)
    part = image.crop((x, y, math.ceil(right), math.ceil(bottom)))
    return part, (left - x, top - y, right - x, bottom - y)


def _decoded_span(
    start: int, length: int, size: int, decoded_size: int, scale: int, mirrored: bool
) -> tuple[float, float]:
    """Return where pixels of a picture's side begin and end in the decoded image."""
    first = size - start - length if mirrored else start
    # The last decoded pixel may reach beyond the picture: what ends with the picture ends with the image.
    begin, end = first / scale, decoded_size if first + length == size else (first + length) / scale
    return (decoded_size - end, decoded_size - begin) if mirrored else (begin, end)
