"""What answers of limited detail could reach at best: the labels themselves, averaged over blocks and scaled up again.

    python -m benchmarks.label_limits --data DIR/nyuv2

A network that knew every label, but only as one value for each 16x16 block (the grid of the features h_t), would get the row "16 px".
`curvature, best constant` is the answer 0-dimensional; every 6th validation frame is measured, at 256x256.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.datasets import open_dataset

EVERY = 6
BLOCKS_PX = (2, 4, 8, 16, 32)

Labels = npt.NDArray[np.float32]


def main() -> None:
    """Print, for each block size, the mean angular error of normals and the L1 of curvature against the best constant."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the NYUv2 folder")
    frames = open_dataset(parser.parse_args().data, "validation")
    chosen = [frames[index] for index in range(0, len(frames), EVERY)]
    normals = [frame.normal for frame in chosen if frame.normal is not None]
    curvatures = [frame.principal_curvature for frame in chosen if frame.principal_curvature is not None]
    constant = np.median(np.stack(curvatures), axis=(0, 2, 3))[:, None, None]
    base = float(np.mean([np.abs(labels - constant).mean() for labels in curvatures]))
    print("block   normal, mean angular error   curvature, L1 below the best constant")
    for block in BLOCKS_PX:
        angle = float(np.mean([angular_error(limited(labels, block), labels) for labels in normals]))
        error = float(np.mean([np.abs(limited(labels, block, median=True) - labels).mean() for labels in curvatures]))
        print(f"{block:2d} px   {angle:22.1f} degrees   {1 - error / base:12.1%}")


def limited(labels: Labels, block: int, median: bool = False) -> Labels:
    """The labels [C, H, W] as one value a block, scaled up bilinearly (means) or as they are (medians, best for L1)."""
    channels, height, width = labels.shape
    blocks = labels.reshape(channels, height // block, block, width // block, block)
    if median:
        return np.kron(np.median(blocks, axis=(2, 4)), np.ones((1, block, block), np.float32)).astype(np.float32)
    coarse = blocks.mean(axis=(2, 4))
    scaled: list[Labels] = [
        np.asarray(Image.fromarray(channel).resize((width, height), Image.Resampling.BILINEAR)) for channel in coarse
    ]
    return np.stack(scaled).astype(np.float32)


def angular_error(found: Labels, wanted: Labels) -> float:
    """Mean angle in degrees, where there is a label."""
    known = np.linalg.norm(wanted, axis=0) > 0.5
    lengths = np.maximum(np.linalg.norm(found, axis=0), 1e-6)
    cosine = np.clip((found * wanted).sum(0) / lengths, -1, 1)
    return float(np.degrees(np.arccos(cosine[known])).mean())


if __name__ == "__main__":
    main()
