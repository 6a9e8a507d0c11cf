"""A camera with a mask and a crop, whose scene changes under the mask with every frame and nowhere else.

    scene(number) --> edge, which knows the view from its data folder alone --> results --MaskedResults--> all the same

Law: whatever dies, all results of this camera are the same, and lie in the same part of its picture.
"""

from __future__ import annotations

import hashlib
import io
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from edge_encoder.cameras.kept import KeptFile, KeptPlans
from edge_encoder.cameras.plan import CameraPlan
from edge_encoder.encoding.view import View
from taxon.client import ClassesResult, PictureResult, Result
from tests.support.fixed_models import scattered_array

MASKED = "masked"
VIEW = View((0.0, 0.0, 0.75, 1.0), (((0.1, 0.1), (0.4, 0.1), (0.4, 0.5), (0.1, 0.5)),))
HEIGHT, WIDTH, CELL = 120, 160, 20


def scene(number: int) -> bytes:
    """Return a JPEG: the same cells in each, but for what lies under the mask."""
    pixels = _cells(0)
    under = np.s_[int(0.1 * HEIGHT) : int(0.5 * HEIGHT), int(0.1 * WIDTH) : int(0.4 * WIDTH)]
    pixels[under] = _cells(number + 1)[under]
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "JPEG", quality=90)
    return file.getvalue()


def keep_view(folder: Path) -> None:
    """Let an edge that starts in this data folder know the camera's view."""
    folder.mkdir(parents=True, exist_ok=True)
    KeptFile(folder).write(KeptPlans({MASKED: CameraPlan(MASKED, view=VIEW)}))


@dataclass
class MaskedResults:
    """All results of the masked camera. values: how often each came, by task."""

    values: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))

    def note(self, result: Result) -> None:
        """Count a result; those of other cameras are passed over."""
        if result.camera_id != MASKED:
            return
        self.values["the crop"][str(result.geometry)] += 1
        for one in result.tasks:
            if isinstance(one, ClassesResult):
                self.values[one.task][str([(each.label, round(each.probability, 4)) for each in one.classes])] += 1
            elif isinstance(one, PictureResult):
                self.values[one.task][hashlib.sha256(one.png).hexdigest()] += 1

    @property
    def results(self) -> int:
        """Return how many frames' results came, to both subscribers."""
        return self.values["the crop"].total()

    def broken(self) -> list[str]:
        """Return what differs, in words."""
        return [
            f"the masked camera gave {len(found)} different results of {task}, {dict(found.most_common(3))}"
            for task, found in self.values.items()
            if len(found) > 1
        ]

    def __str__(self) -> str:
        return f"{self.results} results of the masked camera, {'all the same' if not self.broken() else 'which differ'}"


def _cells(number: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """Return cells of one colour each: noise by the pixel would be grey once it is scaled down."""
    colours = (scattered_array((HEIGHT // CELL, WIDTH // CELL, 3), number + 1, 127) + 128).astype(np.uint8)
    return colours.repeat(CELL, axis=0).repeat(CELL, axis=1)
