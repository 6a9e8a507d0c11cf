"""The pipeline's stages as plain blocking calls, each of which works on a batch in a thread.

    Task (picture, groups, pace) --prepare--> Prepared (stretched) --analyse--> Analysed (latents) --code--> bitstreams --keep--> Done

Law: a batch keeps its order, and what is wrong with one frame of it harms no other.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from edge_encoder.control.operating_points import OperatingPoints, Pace
from edge_encoder.encoding.encoder import EncodedFrame, Encoder
from edge_encoder.encoding.preprocess import preprocess, preprocess_pixels
from edge_encoder.frames import Waiting
from edge_encoder.spool.spool import Coded, Spool
from shared.codec.latents import Latent
from shared.contract.geometry import Frame, Geometry, InputSize
from shared.contract.receipts import Outcome, Receipt
from shared.errors import DiskFull, ImageError, LatentError


@dataclass(frozen=True, eq=False)
class Task:
    """A frame whose turn has come, and what to make of it."""

    waiting: Waiting
    groups: tuple[str, ...]
    pace: Pace


@dataclass(frozen=True, eq=False)
class Prepared:
    """A task whose picture is a frame."""

    task: Task
    frame: Frame


@dataclass(frozen=True, eq=False)
class Analysed:
    """A frame's latents, by group. geometry as in the frame, whose pixels are no longer needed."""

    prepared: Prepared
    latents: Mapping[str, Latent] = field(repr=False)


@dataclass(frozen=True, eq=False)
class Kept:
    """A frame that is in the spool. rate: its operating point."""

    encoded: EncodedFrame
    geometry: Geometry
    rate: int


@dataclass(frozen=True, eq=False)
class Done:
    """What became of a frame. kept: what was coded and spooled of it, None where it was not."""

    waiting: Waiting
    answer: Receipt | Exception
    kept: Kept | None = None


def prepare(tasks: Sequence[Task], size: InputSize) -> list[Prepared | ImageError]:
    """Decodes, turns and stretches; an error in the place of each frame that is none."""
    made: list[Prepared | ImageError] = []
    for task in tasks:
        picture = task.waiting.posted.picture
        try:
            frame = preprocess(picture, size) if isinstance(picture, bytes) else preprocess_pixels(picture, size)
            made.append(Prepared(task, frame))
        except ImageError as error:
            made.append(error)
    return made


def analyse(encoder: Encoder, batch: Sequence[Prepared]) -> list[Analysed]:
    """Runs the networks on the whole batch."""
    images = np.stack([prepared.frame.pixels for prepared in batch])
    groups = [prepared.task.groups for prepared in batch]
    rates = [prepared.task.pace.rate for prepared in batch]
    latents = encoder.analyse_each(images, groups, rates)
    return [Analysed(prepared, found) for prepared, found in zip(batch, latents, strict=True)]


def code(encoder: Encoder, batch: Sequence[Analysed]) -> list[EncodedFrame | LatentError]:
    """Codes each frame; an error in the place of each whose latents the format cannot carry."""
    return [_coded(encoder, analysed) for analysed in batch]


def keep(
    digest: bytes,
    pacing: OperatingPoints,
    spool: Spool,
    batch: Sequence[Analysed],
    coded: Sequence[EncodedFrame | LatentError],
) -> list[Done]:
    """Spools, in one transaction, those of the frames that are within their budget. digest: the bundle's. coded: as `code` gave."""
    kept: list[tuple[Analysed, EncodedFrame]] = []
    for analysed, encoded in zip(batch, coded, strict=True):
        pace = analysed.prepared.task.pace
        if isinstance(encoded, LatentError):
            pacing.give_back(pace)
        elif pacing.settle(pace, len(encoded.bitstream)):
            kept.append((analysed, encoded))
    receipts = _spooled(digest, spool, kept)
    return list(
        _all_done(batch, coded, {analysed: receipt for (analysed, _), receipt in zip(kept, receipts, strict=True)})
    )


def _coded(encoder: Encoder, analysed: Analysed) -> EncodedFrame | LatentError:
    try:
        return encoder.code(analysed.latents)
    except LatentError as error:
        return error


def _spooled(
    digest: bytes, spool: Spool, kept: Sequence[tuple[Analysed, EncodedFrame]]
) -> Sequence[Receipt | DiskFull]:
    try:
        return spool.append(digest, [_row(*one) for one in kept]) if kept else []
    except DiskFull as error:
        return [error] * len(kept)


def _row(analysed: Analysed, encoded: EncodedFrame) -> Coded:
    task = analysed.prepared.task
    posted = task.waiting.posted
    return Coded(
        posted.camera_id,
        posted.capture_time_us,
        posted.time_given,
        analysed.prepared.frame.geometry,
        encoded.bitstream,
        task.pace.rate,
        task.groups,
        posted.trace_context,
    )


def _all_done(
    batch: Sequence[Analysed],
    coded: Sequence[EncodedFrame | LatentError],
    kept: Mapping[Analysed, Receipt | DiskFull],
) -> Iterator[Done]:
    for analysed, encoded in zip(batch, coded, strict=True):
        waiting = analysed.prepared.task.waiting
        answer = kept.get(analysed)
        if isinstance(encoded, LatentError):
            yield Done(waiting, encoded)
        elif answer is None:
            posted = waiting.posted
            yield Done(waiting, Receipt(posted.camera_id, Outcome.OVER_BUDGET, posted.capture_time_us))
        else:
            prepared = analysed.prepared
            kept_one = Kept(encoded, prepared.frame.geometry, prepared.task.pace.rate)
            yield Done(waiting, answer, kept_one if isinstance(answer, Receipt) else None)
