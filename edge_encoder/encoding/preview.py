"""A picture, for people, of what is coded of a camera: the network's input in its place, with the view's lines on it.

    Frame (masked, cropped, of the network's size), View --drawn_preview--> PNG of the whole picture's shape

Law: nothing but the frame and the view goes in. So what a mask covers, or a crop leaves out, cannot come out.
"""

from __future__ import annotations

import io

from PIL import Image, ImageDraw

from edge_encoder.encoding.view import View
from shared.contract.geometry import Frame

LONGEST_SIDE = 640
NOT_CODED = (36, 36, 40)
"""The colour of what a crop leaves out."""
MASK_LINE, CROP_LINE = (230, 60, 50), (250, 200, 40)
LINE_WIDTH = 3


def drawn_preview(frame: Frame, view: View) -> bytes:
    """Return a PNG file: the frame where it lies in the camera's picture, the masks' outlines, and the crop's border."""
    geometry, part = frame.geometry, frame.geometry.region
    scale = LONGEST_SIDE / max(geometry.picture_width, geometry.picture_height)
    width, height = (max(1, round(side * scale)) for side in (geometry.picture_width, geometry.picture_height))
    canvas = Image.new("RGB", (width, height), NOT_CODED)
    left, top = round(part.x * scale), round(part.y * scale)
    right, bottom = round((part.x + part.width) * scale), round((part.y + part.height) * scale)
    size = (max(1, right - left), max(1, bottom - top))
    canvas.paste(Image.fromarray(frame.pixels).resize(size, Image.Resampling.BICUBIC), (left, top))
    drawing = ImageDraw.Draw(canvas)
    for polygon in view.masks:
        corners = [(x * width, y * height) for x, y in polygon]
        drawing.line([*corners, corners[0]], MASK_LINE, LINE_WIDTH)
    if geometry.crop is not None:
        drawing.rectangle((left, top, left + size[0] - 1, top + size[1] - 1), outline=CROP_LINE, width=LINE_WIDTH)
    file = io.BytesIO()
    canvas.save(file, "PNG")
    return file.getvalue()
