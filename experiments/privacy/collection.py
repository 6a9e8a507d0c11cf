"""A split of pictures with what every stage's bitstream tells of them: made once, in chunks, and kept.

    sources --views--> pictures --Thief.steal--> Seen of every stage --> <folder>/<chunk>/*.bin --Collection--> batches

Law: stopped at any time, the next run makes only the chunks that are missing; a folder belongs to one bundle and one set of sources.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image
from tqdm import tqdm

from experiments.privacy.bitstreams import Seen, Thief
from experiments.privacy.pictures import SourcePicture, UInt8Array, views_of
from experiments.suites.suite import COMPLETE, FeatureSet, FeatureWriter
from shared.model.bundle import Bundle

CHUNK_SOURCES = 16
OUTPUT_PER_GRID = 8
"""The attack's pictures have this many pixels for each cell of the features' grid: 128 for 16."""
ARRAYS = ("grid", "latent", "vector")


@dataclass(frozen=True)
class SourceChunk:
    """Some neighbouring sources of a split. first: the number of the first. whole: whether the pictures are kept at full size, too."""

    folder: Path
    bundle: Path
    sources: tuple[SourcePicture, ...]
    first: int
    whole: bool


@dataclass(frozen=True, eq=False)
class Collection:
    """A finished split. names: of each view's source; numbers: of each view within its source."""

    chunks: Sequence[FeatureSet]
    names: Sequence[str]
    numbers: Sequence[int]

    def __len__(self) -> int:
        return len(self.names)

    @cached_property
    def _ends(self) -> npt.NDArray[np.int64]:
        return np.cumsum([len(chunk) for chunk in self.chunks])

    def take(self, name: str, indices: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[Any]:
        """The named array of some views, in their order."""
        found = []
        for index in np.asarray(indices):
            at = int(np.searchsorted(self._ends, index, side="right"))
            chunk = self.chunks[at]
            found.append(chunk.arrays[name][int(index) - int(self._ends[at]) + len(chunk)])
        return np.stack(found)

    def seen(self, stage: int, indices: Sequence[int] | npt.NDArray[np.int64]) -> Seen:
        """Return what the bitstreams of one stage tell of some views."""
        grid, latent, vector = (self.take(f"{name}_{stage}", indices).astype(np.float32) for name in ARRAYS)
        return Seen(grid, latent, vector, self.take(f"bytes_{stage}", indices))

    def bytes_of(self, stage: int) -> npt.NDArray[np.int64]:
        """int64 [N]: every bitstream's length at an operating point."""
        return np.concatenate([np.asarray(chunk.arrays[f"bytes_{stage}"]) for chunk in self.chunks])


def collect_split(
    folder: Path, bundle: Path, sources: Sequence[SourcePicture], whole: bool, workers: int, label: str
) -> Collection:
    """Open a split, making the chunks that are missing by `workers` processes."""
    chunks = [
        SourceChunk(folder / f"{first:05}", bundle, tuple(sources[first : first + CHUNK_SOURCES]), first, whole)
        for first in range(0, len(sources), CHUNK_SOURCES)
    ]
    missing = [chunk for chunk in chunks if not (chunk.folder / COMPLETE).exists()]
    if missing and workers > 1:
        context = multiprocessing.get_context("spawn")
        with ProcessPoolExecutor(workers, context) as pool:
            jobs = [pool.submit(make_chunk, chunk) for chunk in missing]
            for job in tqdm(as_completed(jobs), total=len(jobs), desc=label, mininterval=5.0):
                job.result()
    else:
        for chunk in tqdm(missing, desc=label, mininterval=5.0, disable=not missing):
            make_chunk(chunk)
    views = [(source.name, number) for source in sources for number in range(source.views)]
    return Collection([FeatureSet(chunk.folder) for chunk in chunks], *zip(*views, strict=True))


def make_chunk(chunk: SourceChunk) -> None:
    """Write one chunk."""
    thief = Thief(Bundle.load(chunk.bundle))
    writer = FeatureWriter(chunk.folder, sum(source.views for source in chunk.sources))
    first = 0
    for offset, source in enumerate(chunk.sources):
        pictures = views_of(source, chunk.first + offset)
        _put(writer, first, thief.steal(pictures), pictures, chunk.whole)
        first += len(pictures)
    writer.finish()


def _put(writer: FeatureWriter, first: int, stages: Sequence[Seen], pictures: UInt8Array, whole: bool) -> None:
    for stage, seen in enumerate(stages):
        for name in ARRAYS:
            writer.put(f"{name}_{stage}", first, getattr(seen, name))
        writer.put(f"bytes_{stage}", first, seen.bytes_)
    side = OUTPUT_PER_GRID * stages[0].grid.shape[-1]
    small = [np.asarray(Image.fromarray(one).resize((side, side), Image.Resampling.BOX)) for one in pictures]
    writer.put("small", first, np.stack(small))
    if whole:
        writer.put("picture", first, pictures)
