"""Measure the baselines that need no training once, and keep them: IDFC at a QP, and picture codecs.

h_t --IDFC at a QP--> h^_t --frozen head--> figures of task t             paper 4.2, [4]
picture --HEVC intra, AVIF, WebP, JPEG--> picture --original networks--> figures of every task     paper 4.5
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from filelock import FileLock
from torch import Tensor
from tqdm import tqdm

from experiments.codecs.idfc import FeatureRange, code_feature
from experiments.codecs.picture_codecs import Avif, HevcIntra, Jpeg, PictureCodec, Webp
from experiments.runs.measure import Point, figures_of
from experiments.suites.suite import Suite

IDFC_QPS = (51, 46, 41, 36, 31, 26, 21, 16)
RANGE_FRAMES = 500

PICTURE_CODECS: tuple[tuple[PictureCodec, tuple[int, ...]], ...] = (
    (HevcIntra(), (51, 45, 39, 33, 27)),
    (Avif(), (3, 20)),
    (Webp(), (0, 15)),
    (Jpeg(), (3, 25)),
)


def idfc_point(suite: Suite, task: str, split: str, qp: int, device: str) -> Point:
    """IDFC of one task's feature at one QP; `rate` of the point is the QP."""

    def make() -> Point:
        frames, feature_range = suite.split(split), _range(suite, task)
        payload = 0

        def raw_of(indices: npt.NDArray[np.int64]) -> dict[str, Tensor]:
            nonlocal payload
            features = frames.batch(indices, (task,), ()).features[task].numpy()
            coded = [code_feature(feature, feature_range, qp) for feature in features]
            payload += sum(one.payload_bytes for one in coded)
            restored = torch.from_numpy(np.stack([one.reconstruction for one in coded])).to(device)
            return {task: suite.heads[task](restored)}

        figures = figures_of(suite, split, (task,), raw_of)
        size = payload / len(frames)
        return Point(qp, 8 * size, 0.0, size, figures)

    return kept(suite.folder / "baselines" / f"idfc_{task}_{split}_{qp}.json", make)


def picture_point(suite: Suite, codec: PictureCodec, quality: int, split: str) -> Point:
    """A picture codec at one quality, every task of the suite judged; `rate` of the point is the quality."""

    def code(picture: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], int]:
        coded = codec.encode(picture, quality)
        return codec.decode(coded.data), coded.payload_bytes

    path = suite.folder / "baselines" / f"picture_{codec.name}_{split}_{quality}.json"
    return kept(path, lambda: _analysed(suite, split, quality, code, f"{codec.name} {quality} {split}"))


def uncompressed_picture_point(suite: Suite, split: str) -> Point:
    """The original networks on the pictures as they are, counted as three bytes a pixel."""
    path = suite.folder / "baselines" / f"picture_uncompressed_{split}.json"
    return kept(path, lambda: _analysed(suite, split, 0, lambda picture: (picture, picture.size), f"pictures {split}"))


def _analysed(
    suite: Suite,
    split: str,
    quality: int,
    code: Callable[[npt.NDArray[np.uint8]], tuple[npt.NDArray[np.uint8], int]],
    label: str,
) -> Point:
    pictures = suite.pictures(split)
    payload = 0
    progress = tqdm(total=len(pictures), desc=label, mininterval=2.0)

    def raw_of(indices: npt.NDArray[np.int64]) -> dict[str, Tensor]:
        nonlocal payload
        coded = [code(pictures[i]) for i in indices]
        payload += sum(size for _, size in coded)
        progress.update(len(indices))
        return suite.analyse(np.stack([picture for picture, _ in coded]))

    figures = figures_of(suite, split, tuple(suite.tasks), raw_of)
    progress.close()
    size = payload / len(pictures)
    return Point(quality, 8 * size, 0.0, size, figures)


def _range(suite: Suite, task: str) -> FeatureRange:
    path = suite.folder / "baselines" / f"range_{task}.json"
    if not path.exists():
        indices = np.linspace(0, len(suite.fit) - 1, min(RANGE_FRAMES, len(suite.fit))).astype(np.int64)
        features = suite.fit.batch(indices, (task,), ()).features[task].numpy()
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(FeatureRange.of(features))))
    return FeatureRange(**json.loads(path.read_text()))


def kept(path: Path, make: Callable[[], Point]) -> Point:
    """Read what was measured before, or measure it now; two processes that want the same point wait for each other."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):
        if not path.exists():
            path.write_text(json.dumps(make().as_json()))
    fields: dict[str, Any] = json.loads(path.read_text())
    return Point(**fields)
