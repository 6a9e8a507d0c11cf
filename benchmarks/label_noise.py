"""How much of the curvature labels is noise: their mean magnitude where surfaces are flat, beside that over all pixels.

    python -m benchmarks.label_noise --data DIR/nyuv2

Flat means: at least 10 pixels inside a wall, floor or ceiling, at 256x256. Every 6th validation frame is measured.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from PIL import Image, ImageFilter

from shared.model.tasks import SEGMENTATION_BACKGROUND
from training.datasets import open_dataset

EVERY = 6
MARGIN_PX = 10


def main() -> None:
    """Print both means and the share of flat pixels."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the NYUv2 folder")
    frames = open_dataset(parser.parse_args().data, "validation")
    everywhere, flat = [], []
    for index in range(0, len(frames), EVERY):
        frame = frames[index]
        assert frame.principal_curvature is not None
        assert frame.segment_semantic is not None
        magnitude = np.abs(frame.principal_curvature).mean(0)
        inside = np.zeros(magnitude.shape, np.bool_)
        for label in SEGMENTATION_BACKGROUND:
            mask = Image.fromarray(np.where(frame.segment_semantic == label, 255, 0).astype(np.uint8))
            inside |= np.asarray(mask.filter(ImageFilter.MinFilter(2 * MARGIN_PX + 1))) > 0
        everywhere.append(magnitude.ravel())
        flat.append(magnitude[inside])
    all_pixels, flat_pixels = np.concatenate(everywhere), np.concatenate(flat)
    print(f"mean |curvature label| over all pixels       {all_pixels.mean():.4f}")
    print(
        f"mean |curvature label| inside flat surfaces  {flat_pixels.mean():.4f} ({flat_pixels.size / all_pixels.size:.0%} of the pixels)"
    )


if __name__ == "__main__":
    main()
