"""The stages are plain functions: a batch goes in, and the same jobs come out, in order."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_encoder.control.bit_budget import Budget
from edge_encoder.control.operating_points import OperatingPoints
from edge_encoder.encoding.encoder import Encoder
from edge_encoder.frames import FrameRef, KnownCamera
from edge_encoder.pipeline import stages
from edge_encoder.pipeline.stages import CodingJob, FrameLatents
from edge_encoder.spool.spool import Spool
from shared.contract.geometry import Picture
from shared.contract.receipts import Outcome, Receipt
from shared.errors import ImageError, LatentError
from shared.model.bundle import Bundle
from tests.support.pictures import picture

GROUPS = ("semantic", "geometry")


@pytest.fixture(scope="module")
def encoder(tiny_bundle: Bundle) -> Encoder:
    return Encoder(tiny_bundle, threads=1)


def job(points: OperatingPoints, number: int) -> CodingJob:
    point = points.choose("hall", GROUPS)
    assert point is not None
    answer: asyncio.Future[Receipt] = asyncio.get_running_loop().create_future()
    return CodingJob(FrameRef.of(KnownCamera("hall"), picture(number), 1000 + number), GROUPS, point, answer)


@pytest.mark.asyncio
async def test_a_damaged_picture_keeps_its_place_and_harms_no_other(encoder: Encoder) -> None:
    points = OperatingPoints(encoder.bundle, None, lambda _: None)
    jobs = [job(points, number) for number in range(3)]
    pictures: list[Picture] = [picture(0), b"no picture", np.zeros((40, 48, 3), np.uint8)]
    made = stages.prepare(list(zip(jobs, pictures, strict=True)), encoder.bundle.manifest.input)
    assert [one for one, _ in made] == jobs
    assert [isinstance(frame, ImageError) for _, frame in made] == [False, True, False]


@pytest.mark.asyncio
async def test_latents_that_the_format_cannot_carry_cost_no_bits_and_harm_no_other(
    encoder: Encoder, tmp_path: Path
) -> None:
    budget = Budget(8000.0, 16000.0)
    points = OperatingPoints(encoder.bundle, None, lambda _: budget, clock=lambda: 0.0)
    jobs = [job(points, number) for number in range(2)]
    frames = stages.prepare([(one, picture()) for one in jobs], encoder.bundle.manifest.input)
    good = stages.analyse(encoder, [(one, frame) for one, frame in frames if not isinstance(frame, ImageError)])
    latents = good[0][1].latents
    broken = {name: replace(one, z=np.full_like(one.z, 1 << 20)) for name, one in latents.items()}
    coded = stages.code(encoder, [(jobs[0], FrameLatents(good[0][1].geometry, broken)), good[1]])
    assert isinstance(coded[0][1], LatentError)
    spool = Spool(tmp_path, 1 << 20, 3600.0, "normal")
    done = dict(stages.keep(encoder.bundle.digest, points, spool, coded))
    spool.close()
    assert list(done) == jobs
    assert isinstance(done[jobs[0]].answer, LatentError)
    kept = done[jobs[1]]
    assert isinstance(kept.answer, Receipt)
    assert kept.spooled is not None
    assert (kept.answer.outcome, kept.answer.coded_bytes) == (Outcome.CODED, len(kept.spooled.encoded.bitstream))


@pytest.mark.asyncio
async def test_a_frame_that_comes_out_larger_than_what_is_left_is_not_spooled(encoder: Encoder, tmp_path: Path) -> None:
    # A full bucket is always tried, also where it holds less than any frame needs.
    budget = Budget(1.0, 8.0)
    points = OperatingPoints(encoder.bundle, None, lambda _: budget, clock=lambda: 0.0)
    mine = job(points, 0)
    frames = stages.prepare([(mine, picture())], encoder.bundle.manifest.input)
    analysed = stages.analyse(encoder, [(one, frame) for one, frame in frames if not isinstance(frame, ImageError)])
    spool = Spool(tmp_path, 1 << 20, 3600.0, "normal")
    ((_, done),) = stages.keep(encoder.bundle.digest, points, spool, stages.code(encoder, analysed))
    assert isinstance(done.answer, Receipt)
    assert (done.answer.outcome, done.spooled, spool.frames) == (Outcome.OVER_BUDGET, None, 0)
    spool.close()
