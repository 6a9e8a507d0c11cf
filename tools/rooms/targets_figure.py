"""Draw docs/figures/targets.jpg: what the geometry labels mean, on a rendered room.

    python -m tools.rooms.targets_figure --picture samples/living_room/024.jpg --labels DIR/living_room/024.npz

Upper row: exact labels. Lower row: the same labels derived from depth rounded to NYUv2's steps, as training derives them.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from tools.rooms.camera import HORIZONTAL_FIELD_DEGREES
from training.datasets.geometry import MINIMUM_RADIUS_METRES, GeometryTargets, Intrinsics, targets_from_depth

NYUV2_DEPTH_STEPS_PER_METRE = 25.51
TILE = (360, 270)
CAPTION_PX = 26
CURVATURE_GAIN_FOR_EYES = 4.0
TITLES = ("picture", "normal", "reshading", "curvature x4")


def main() -> None:
    """Write the figure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--picture", type=Path, required=True)
    parser.add_argument("--labels", type=Path, required=True)
    parser.add_argument("--output", type=Path, default=Path("docs/figures/targets.jpg"))
    arguments = parser.parse_args()
    picture = Image.open(arguments.picture).convert("RGB")
    with np.load(arguments.labels) as exact:
        depth = exact["depth"].astype(np.float64)
        curvature = np.clip(exact["curvature_per_metre"].astype(np.float64) * MINIMUM_RADIUS_METRES, -1, 1)
        upper = [picture, *tiles(exact["normal"], exact["reshading"], curvature)]
    derived = derive(depth)
    coarse = Image.fromarray((255 * depth / depth.max()).astype(np.uint8)).convert("RGB")
    lower = [coarse, *tiles(derived.normal, derived.reshading, derived.principal_curvature)]
    sheet([upper, lower]).save(arguments.output, quality=88)
    print(arguments.output)


def derive(depth: NDArray[np.float64]) -> GeometryTargets:
    """Labels from depth [H, W] in metres, rounded to NYUv2's steps."""
    rounded = (np.floor(depth * NYUV2_DEPTH_STEPS_PER_METRE) + 0.5) / NYUV2_DEPTH_STEPS_PER_METRE
    height, width = depth.shape
    focal_px = width / 2 / np.tan(np.radians(HORIZONTAL_FIELD_DEGREES) / 2)
    camera = Intrinsics(focal_px, focal_px, (width - 1) / 2, (height - 1) / 2)
    return targets_from_depth(rounded, camera, np.ones(depth.shape, np.bool_))


def tiles(*channels: NDArray[np.floating]) -> list[Image.Image]:
    """Normal [3, H, W], reshading [1, H, W] and curvature [2, H, W] as pictures."""
    normal, reshading, curvature = (values.astype(np.float64) for values in channels)
    blue = np.zeros((1, *curvature.shape[1:]))
    shown = (
        (normal + 1) / 2,
        np.repeat(reshading, 3, 0),
        (np.concatenate([curvature * CURVATURE_GAIN_FOR_EYES, blue]) + 1) / 2,
    )
    return [Image.fromarray((np.clip(values, 0, 1) * 255).astype(np.uint8).transpose(1, 2, 0)) for values in shown]


def sheet(rows: list[list[Image.Image]]) -> Image.Image:
    """Rows of tiles under their titles."""
    result = Image.new("RGB", (TILE[0] * len(TITLES), (TILE[1] + CAPTION_PX) * len(rows)), "white")
    draw = ImageDraw.Draw(result)
    for r, (row, note) in enumerate(zip(rows, ("exact", "from depth in 3.9 cm steps"), strict=True)):
        for c, tile in enumerate(row):
            corner = (c * TILE[0], r * (TILE[1] + CAPTION_PX))
            title = "depth" if r and not c else TITLES[c]
            draw.text(
                (corner[0] + 8, corner[1] + 4), f"{title}, {note}" if c else title, "black", ImageFont.load_default(16)
            )
            result.paste(tile.resize(TILE), (corner[0], corner[1] + CAPTION_PX))
    return result


if __name__ == "__main__":
    main()
