"""House photos (Ahmed and Moustafa, 2016): room type = folder name. Pictures for distillation, with a scene label."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from training.datasets.frame import INPUT_HEIGHT, INPUT_WIDTH, DataError, LabelledFrame
from training.datasets.nyuv2 import SCENES

ROOMS = ("bathroom", "bedroom", "kitchen")


class HousePhotos:
    """Photos of bathrooms, bedrooms and kitchens; the only split is `all`."""

    def __init__(self, root: Path, split: str) -> None:
        if split != "all":
            raise DataError(f"the house photos have only the split all, not {split!r}")
        self.files = [path for room in ROOMS for path in sorted((root / room).glob("*.jpg"))]

    def __len__(self) -> int:
        return len(self.files)

    def picture(self, index: int) -> Image.Image:
        """The photo, upright RGB."""
        return ImageOps.exif_transpose(Image.open(self.files[index])).convert("RGB")

    def scene(self, index: int) -> int:
        """Scene group 0..9 in the order of SCENES."""
        return SCENES.index(self.files[index].parent.name)

    def __getitem__(self, index: int) -> LabelledFrame:
        image = self.picture(index).resize((INPUT_WIDTH, INPUT_HEIGHT), Image.Resampling.BILINEAR)
        return LabelledFrame(self.files[index].name, np.asarray(image), class_scene=self.scene(index))
