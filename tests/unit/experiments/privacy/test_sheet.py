"""Which frames a sheet shows, and that every tile is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image

from experiments.privacy.sheet import Tile, chosen_frames, draw


def test_frames_are_from_the_middle_of_each_share() -> None:
    psnr = np.arange(60, dtype=np.float64)[::-1].copy()
    assert chosen_frames(psnr, 6).tolist() == [54, 44, 34, 24, 14, 4]
    assert chosen_frames(np.array([3.0, 1.0, 2.0]), 6).tolist() == [1, 2, 0]


def test_tiles_are_drawn_where_they_stand(tmp_path: Path) -> None:
    red, blue = (torch.tensor(colour).view(3, 1, 1).expand(3, 32, 32) for colour in ((1.0, 0, 0), (0, 0, 1.0)))
    path = tmp_path / "sheet.jpg"
    draw(["left", "middle", "right"], [[Tile(red, "red"), Tile(None, "no file"), Tile(blue, "blue")]], path)
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    middle = pixels.shape[0] // 2
    reds, blues = ((pixels[middle, :, i] > 200) & (pixels[middle].sum(1) < 300) for i in (0, 2))
    assert reds.sum() > 50
    assert blues.sum() > 50
    assert np.flatnonzero(reds).max() < np.flatnonzero(blues).min()
