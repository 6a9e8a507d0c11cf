"""Taskonomy as frames at 256x256 with whatever labels were downloaded.

    layout: file of (view, domain) --read--> array --encodings--> full size, project's units --resize--> LabelledFrame

A view without a domain's file lacks that label. A file that cannot be what its name says is refused, by its path.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import numpy.typing as npt
from PIL import Image

from training.datasets.frame import INPUT_HEIGHT, INPUT_WIDTH, DataError, LabelledFrame, resize_channels, unit
from training.datasets.taskonomy import encodings
from training.datasets.taskonomy.layout import Layout

WEIGHTS_FILE = "semseg_prior_factor.npy"
# This is the task bank's own rule for a label that was never made (load_ops.py: os.stat(filename).st_size < 100).
PLACEHOLDER_BYTES = 100
PLACEHOLDER_DOMAINS = ("class_object", "segment_semantic")

Stored = npt.NDArray[np.generic]
Decoded = TypeVar("Decoded")


class Taskonomy:
    """Views of one split (`train`, `val`, `test`; `fit` is `train`, `validation` is `val`), ordered by building, point and view."""

    def __init__(self, root: Path, split: str) -> None:
        self.layout = Layout(root)
        self.views = self.layout.views(split)

    def __len__(self) -> int:
        return len(self.views)

    def picture(self, index: int) -> Image.Image:
        """The full RGB picture, 512x512."""
        picture = self._label(index, "rgb", lambda stored: Image.fromarray(stored), "RGB")
        if picture is None:
            raise DataError(f"the picture of {self.views[index]} is gone: open the data set again")
        return picture

    def depth_metres(self, index: int) -> npt.NDArray[np.float64] | None:
        """Z-buffer depth [512, 512] in metres, in steps of 2 mm, NaN in the mesh's holes; None where it was not downloaded."""
        return self._label(index, "depth_zbuffer", encodings.depth_metres)

    def segmentation(self, index: int) -> Image.Image | None:
        """17-class ids (255 = unlabelled) at full size, None where there are none."""
        ids = self._label(index, "segment_semantic", encodings.segments)
        return None if ids is None else Image.fromarray(ids)

    def scene_distribution(self, index: int) -> npt.NDArray[np.float64] | None:
        """Probabilities [63] in the order of SCENES, None where there are none."""
        return self._label(index, "class_scene", encodings.scene_distribution)

    def object_distribution(self, index: int) -> npt.NDArray[np.float64] | None:
        """Probabilities [1000] in ImageNet's order, None where there are none."""
        return self._label(index, "class_object", encodings.object_distribution)

    def segment_weights(self) -> npt.NDArray[np.float32] | None:
        """The authors' weights [17] of the segments' cross-entropy, None without semseg_prior_factor.npy in the data folder."""
        path = self.layout.root / WEIGHTS_FILE
        return _decoded(path, _read_numbers, encodings.segment_weights) if path.is_file() else None

    def __getitem__(self, index: int) -> LabelledFrame:
        size = (INPUT_WIDTH, INPUT_HEIGHT)
        scene, objects = self.scene_distribution(index), self.object_distribution(index)
        ids = self.segmentation(index)
        normals = self._label(index, "normal", encodings.normal, "RGB")
        shading = self._label(index, "reshading", encodings.reshading, "L")
        curvature = self._label(index, "principal_curvature", encodings.principal_curvature, "RGB")
        return LabelledFrame(
            name=str(self.views[index]),
            image=np.asarray(self.picture(index).resize(size, Image.Resampling.BILINEAR)),
            class_scene=None if scene is None else int(scene.argmax()),
            class_object=None if objects is None else int(objects.argmax()),
            segment_semantic=None if ids is None else np.asarray(ids.resize(size, Image.Resampling.NEAREST)),
            normal=None if normals is None else unit(_resized(normals[0])),
            reshading=None if shading is None else _resized(shading),
            principal_curvature=None if curvature is None else _resized(curvature),
            valid=None
            if normals is None and shading is None and curvature is None
            else self._valid(index, None if normals is None else normals[1]),
        )

    def _valid(self, index: int, facing: npt.NDArray[np.bool_] | None) -> npt.NDArray[np.bool_]:
        """Pixels none of whose stored ones is a hole: by the depth map, and by where normals have a direction, as far as there are."""
        valid = np.ones((INPUT_HEIGHT, INPUT_WIDTH), np.bool_)
        depth = self.depth_metres(index)
        for known in (facing, None if depth is None else np.isfinite(depth)):
            if known is not None:
                valid &= _resized(known[None].astype(np.float32))[0] > 1.0 - 1e-4
        return valid

    def _label(
        self, index: int, domain: str, decode: Callable[[npt.NDArray], Decoded], mode: str | None = None
    ) -> Decoded | None:
        """A label of a view, None where the file is missing; `mode` is Pillow's, to which pictures of 8 bits are brought."""
        numbers = domain in ("class_scene", "class_object")
        path = self.layout.file(self.views[index], domain, "npy" if numbers else "png")
        if path is None or (domain in PLACEHOLDER_DOMAINS and path.stat().st_size < PLACEHOLDER_BYTES):
            return None
        return _decoded(path, _read_numbers if numbers else lambda path: _read_picture(path, mode), decode)


def _decoded(path: Path, read: Callable[[Path], Stored], decode: Callable[[npt.NDArray], Decoded]) -> Decoded:
    try:
        return decode(read(path))
    # Pillow reports a broken PNG as SyntaxError, and numpy a broken file as ValueError or EOFError.
    except (OSError, SyntaxError, ValueError, EOFError) as error:
        raise DataError(
            f"{path} cannot be used ({error}): download it again, or delete it to do without this label"
        ) from error


def _read_picture(path: Path, mode: str | None) -> Stored:
    with Image.open(path) as picture:
        # Pillow would cut 16 bits down to 8 without a word.
        if mode is not None and picture.mode not in ("L", "RGB", "RGBA", "P"):
            raise ValueError(f"a picture of 8 bits was expected, not of mode {picture.mode}")
        return np.asarray(picture if mode is None else picture.convert(mode))


def _read_numbers(path: Path) -> Stored:
    stored: Stored = np.load(path, allow_pickle=False)
    return stored


def _resized(planes: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    return resize_channels(planes, INPUT_HEIGHT, INPUT_WIDTH)
