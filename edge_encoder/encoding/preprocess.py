"""Turns a picture into a frame: upright RGB of the network's input size.

    bytes --decode_file--> DecodedPicture --stretch--> Frame

Law: every refusal is an ImageError.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edge_encoder.encoding.picture_file import DecodedPicture, decode_file, decoded_pixels
from shared.contract.geometry import Frame, Geometry, InputSize


def preprocess(data: bytes, size: InputSize) -> Frame:
    """Return the frame in a picture file. Raises ImageError, which says why there is none.

    size: the network's input. Scaling is bilinear with antialiasing, each axis by its own factor.
    """
    return network_input(decode_file(data, max(size.width, size.height)), size)


def preprocess_pixels(pixels: NDArray[np.uint8], size: InputSize) -> Frame:
    """Return the frame in a decoded picture, upright RGB, uint8 [H, W, 3]. Raises ImageError as `preprocess` does."""
    return network_input(decoded_pixels(pixels), size)


def network_input(picture: DecodedPicture, size: InputSize) -> Frame:
    """Return the picture, stretched to the network's input."""
    stretched = picture.image.resize((size.width, size.height), Image.Resampling.BILINEAR)
    geometry = Geometry(picture.width, picture.height, size.width, size.height)
    return Frame(np.asarray(stretched, np.uint8), geometry)
