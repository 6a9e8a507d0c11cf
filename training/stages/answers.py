"""The teacher's answers on rooms without labels: what the networks that ship learn from beside the labels.

    source frames --Teacher, mirrored and averaged--> Answers, one .npz each in `work`/answers

A frame that is already there is skipped, so that the stage can be stopped and resumed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from training.data.pictures import whole
from training.data.sources import TrainingFrame
from training.networks.teacher import DEPTH, Teacher
from training.stages.teacher import answer

SIGNED_SCALE, SHARE_SCALE = 127.0, 255.0


@dataclass(frozen=True)
class Answers:
    """The teacher's answers about one frame, at a quarter of its 384x288 pixels.

    segmentation: uint8 [13, 72, 96], probabilities / 255. geometry: int8 [6, 72, 96] / 127, as in TrainingFrame.
    log_depth: float16 [72, 96], the natural logarithm of metres. scene: float32 [10], probabilities.
    """

    segmentation: npt.NDArray[np.uint8]
    geometry: npt.NDArray[np.int8]
    log_depth: npt.NDArray[np.float16]
    scene: npt.NDArray[np.float32]

    def save(self, path: Path) -> None:
        """Write to `path` whole or not at all."""
        temporary = path.with_suffix(".tmp")
        with temporary.open("wb") as file:
            np.savez(file, **vars(self))
        temporary.rename(path)

    @classmethod
    def load(cls, path: Path) -> Answers:
        """Read what `save` wrote."""
        with np.load(path) as data:
            return cls(**{name: data[name] for name in ("segmentation", "geometry", "log_depth", "scene")})


def answers_of(teacher: Teacher, frame: TrainingFrame, device: str) -> Answers:
    """Return the teacher's answers about one frame."""
    values = {name: value[0].cpu().numpy() for name, value in answer(teacher, whole(frame).to(device)).items()}
    geometry = np.concatenate([values["normal"], values["reshading"], values["principal_curvature"]])
    return Answers(
        segmentation=np.rint(values["segment_semantic"] * SHARE_SCALE).astype(np.uint8),
        geometry=np.rint(geometry * SIGNED_SCALE).astype(np.int8),
        log_depth=values[DEPTH][0].astype(np.float16),
        scene=values["class_scene"].astype(np.float32),
    )


def write_answers(teacher: Teacher, work: Path, folders: Sequence[str], device: str) -> None:
    """Write the answers about the source frames of these folders under `work`/answers."""
    teacher.eval()
    for folder in folders:
        (work / "answers" / folder).mkdir(parents=True, exist_ok=True)
        for source in tqdm(sorted((work / "sources" / folder).glob("*.npz")), desc=f"answers about {folder}"):
            path = work / "answers" / folder / source.name
            if not path.exists():
                answers_of(teacher, TrainingFrame.load(source), device).save(path)
