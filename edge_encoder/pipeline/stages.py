"""The pipeline's stages: plain blocking functions, each of which works on a batch in a thread.

    picture --prepare--> Frame --analyse--> FrameLatents --code--> FrameBitstream --keep--> Done (answer)

Every stage takes pairs of a job and its payload, and returns the same jobs with the next payload.

Law: a batch keeps its order, and what is wrong with one of its frames harms no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

import numpy as np

from edge_encoder.control.operating_points import ChosenPoint, OperatingPoints
from edge_encoder.encoding.encoder import EncodedFrame, Encoder
from edge_encoder.encoding.preprocess import preprocess, preprocess_pixels
from edge_encoder.encoding.view import WHOLE_PICTURE, View
from edge_encoder.frames import FrameRef, not_coded
from edge_encoder.spool.spool import CodedFrame, Spool
from shared.codec.latents import Latent
from shared.contract.geometry import Frame, Geometry, InputSize, Picture, PictureDamage
from shared.contract.receipts import Outcome, Receipt
from shared.errors import DiskFull, ImageError, LatentError, TaxonError


@dataclass(frozen=True, eq=False)
class CodingJob:
    """A frame whose turn has come.

    point: its operating point. answer: is given to the camera. view: the part of its picture that may be coded.
    """

    ref: FrameRef
    groups: tuple[str, ...]
    point: ChosenPoint
    answer: asyncio.Future[Receipt]
    view: View = WHOLE_PICTURE


@dataclass(frozen=True, eq=False)
class FrameLatents:
    """A frame's latents, by group. Its pixels are no longer needed. damage: as the frame's."""

    geometry: Geometry
    latents: Mapping[str, Latent] = field(repr=False)
    damage: PictureDamage | None = None


@dataclass(frozen=True, eq=False)
class FrameBitstream:
    """A frame's bitstream, which is not spooled yet. damage: as the frame's."""

    geometry: Geometry
    encoded: EncodedFrame
    damage: PictureDamage | None = None


@dataclass(frozen=True, eq=False)
class Done:
    """The end of a frame. spooled: its bitstream, None where nothing of it was spooled."""

    answer: Receipt | TaxonError
    spooled: FrameBitstream | None = None


Payload = TypeVar("Payload")
Batch = Sequence[tuple[CodingJob, Payload]]
Worked = list[tuple[CodingJob, Payload]]


def prepare(batch: Batch[Picture], size: InputSize) -> Worked[Frame | ImageError]:
    """Decode, turn and stretch each picture; return an error in the place of each that is none."""
    made: Worked[Frame | ImageError] = []
    for job, picture in batch:
        try:
            view = job.view
            if isinstance(picture, bytes):
                frame = preprocess(picture, size, view)
            else:
                frame = preprocess_pixels(picture, size, view)
            made.append((job, frame))
        except ImageError as error:
            made.append((job, error))
    return made


def analyse(encoder: Encoder, batch: Batch[Frame]) -> Worked[FrameLatents]:
    """Run the networks on the whole batch at once."""
    images = np.stack([frame.pixels for _, frame in batch])
    latents = encoder.analyse_each(images, [job.groups for job, _ in batch], [job.point.rate for job, _ in batch])
    return [
        (job, FrameLatents(frame.geometry, found, frame.damage))
        for (job, frame), found in zip(batch, latents, strict=True)
    ]


def code(encoder: Encoder, batch: Batch[FrameLatents]) -> Worked[FrameBitstream | LatentError]:
    """Code each frame; return an error in the place of each whose latents the format cannot carry."""
    made: Worked[FrameBitstream | LatentError] = []
    for job, analysed in batch:
        try:
            encoded = encoder.code(analysed.latents)
            made.append((job, FrameBitstream(analysed.geometry, encoded, analysed.damage)))
        except LatentError as error:
            made.append((job, error))
    return made


def keep(
    digest: bytes, points: OperatingPoints, spool: Spool, batch: Batch[FrameBitstream | LatentError]
) -> Worked[Done]:
    """Spool those of the frames that are within their budget, in one transaction. digest: the bundle's."""
    done: dict[CodingJob, Done] = {}
    within: Worked[FrameBitstream] = []
    for job, coded in batch:
        if isinstance(coded, LatentError):
            points.give_back(job.point)
            done[job] = Done(coded)
        elif points.settle(job.point, len(coded.encoded.bitstream)):
            within.append((job, coded))
        else:
            # The operating point was chosen by an expected size; this frame came out larger than what is left.
            done[job] = Done(not_coded(job.ref, Outcome.OVER_BUDGET))
    try:
        rows = [
            CodedFrame(job.ref, coded.geometry, coded.encoded.bitstream, job.point.rate, job.groups)
            for job, coded in within
        ]
        receipts = spool.append(digest, rows) if rows else []
        for (job, coded), receipt in zip(within, receipts, strict=True):
            done[job] = Done(replace(receipt, damage=coded.damage.kind) if coded.damage else receipt, coded)
    except DiskFull as error:
        done |= {job: Done(error) for job, _ in within}
    return [(job, done[job]) for job, _ in batch]
