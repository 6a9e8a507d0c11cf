from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from edge_encoder.assembly import EdgeParts
from edge_encoder.frames import FrameRef
from shared.contract.receipts import Outcome, Receipt
from shared.errors import Draining, NotReady
from tests.support.edge import edge_parts, wanted
from tests.support.pictures import picture


def post(parts: EdgeParts, number: int = 0) -> asyncio.Task[Receipt]:
    camera = parts.admission.check("hall")
    return parts.admission.post(FrameRef.of(camera, picture(number), 1000 + number), picture(number))


@pytest.mark.asyncio
async def test_a_frame_is_coded_for_the_groups_that_were_wanted_when_it_came(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    async with edge_parts(tmp_path, tiny_bundle_directory, pinned_groups=[]) as parts:
        parts.admission.open()
        parts.wish.replace(wanted("geometry"))
        first = post(parts, 0)
        parts.wish.replace(wanted("semantic"))
        second = post(parts, 1)
        parts.wish.replace(wanted())
        third = post(parts, 2)
        works = asyncio.create_task(parts.pipeline.run())
        receipts = await asyncio.wait_for(asyncio.gather(first, second, third), 20)
        works.cancel()
        await asyncio.gather(works, return_exceptions=True)
    assert [one.groups for one in receipts] == [("geometry",), ("semantic",), ()]
    assert [one.outcome for one in receipts] == [Outcome.CODED, Outcome.CODED, Outcome.NOT_WANTED]


@pytest.mark.asyncio
async def test_an_unwanted_frame_takes_no_place_from_a_wanted_one(tmp_path: Path, tiny_bundle_directory: Path) -> None:
    settings = {"pinned_groups": [], "queue_depth": 1}
    async with edge_parts(tmp_path, tiny_bundle_directory, **settings) as parts:
        parts.admission.open()
        parts.wish.replace(wanted("geometry"))
        waits = post(parts, 0)
        parts.wish.replace(wanted())
        assert (await post(parts, 1)).outcome is Outcome.NOT_WANTED
        assert parts.queue.frames == 1
        assert not waits.done()
        waits.cancel()


@pytest.mark.asyncio
async def test_a_frame_whose_body_arrives_after_the_drain_began_is_refused(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    async with edge_parts(tmp_path, tiny_bundle_directory) as parts:
        with pytest.raises(NotReady):
            parts.admission.check("hall")
        parts.admission.open()
        ref = FrameRef.of(parts.admission.check("hall"), picture(), None)
        parts.admission.close()
        with pytest.raises(Draining):
            parts.admission.post(ref, picture())
