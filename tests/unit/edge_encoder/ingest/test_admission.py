from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from prometheus_client import generate_latest

from edge_encoder.assembly import EdgeParts
from edge_encoder.cameras.plan import CameraPlan
from edge_encoder.frames import FrameRef
from edge_encoder.ingest import departures
from shared.contract.receipts import Outcome, Receipt
from shared.errors import CameraPaused, Draining, NotReady, RateLimited, UnknownCamera
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


@pytest.mark.asyncio
async def test_a_paused_camera_s_frames_are_refused_and_those_that_wait_are_coded(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    async with edge_parts(tmp_path, tiny_bundle_directory) as parts:
        parts.admission.open()
        waits = post(parts, 0)
        late = FrameRef.of(parts.admission.check("hall"), picture(1), 1001)
        await parts.book.pause("hall", paused=True)
        with pytest.raises(CameraPaused, match="camera hall is paused"):
            parts.admission.check("hall")
        # Its body was on its way when the camera was paused.
        with pytest.raises(CameraPaused):
            parts.admission.post(late, picture(1))
        other = parts.admission.post(FrameRef.of(parts.admission.check("door"), picture(2), 1), picture(2))
        works = asyncio.create_task(parts.pipeline.run())
        receipts = await asyncio.wait_for(asyncio.gather(waits, other), 20)
        assert [one.outcome for one in receipts] == [Outcome.CODED, Outcome.CODED]
        await parts.book.pause("hall", paused=False)
        assert (await asyncio.wait_for(post(parts, 3), 20)).outcome is Outcome.CODED
        works.cancel()
        await asyncio.gather(works, return_exceptions=True)


@pytest.mark.asyncio
async def test_frames_over_the_rate_are_refused_and_a_repeated_one_is_none(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    async with edge_parts(tmp_path, tiny_bundle_directory, queue_depth=9) as parts:
        parts.admission.open()
        await parts.book.put(CameraPlan("hall", most_fps=0.01))
        waits = post(parts, 0)
        with pytest.raises(RateLimited, match=r"camera hall may give 0.01 frames a second") as refused:
            post(parts, 1)
        assert 60 < refused.value.wait_seconds <= 100
        again = post(parts, 0)
        await parts.book.put(CameraPlan("hall"))
        more = post(parts, 2)
        works = asyncio.create_task(parts.pipeline.run())
        receipts = await asyncio.wait_for(asyncio.gather(waits, again, more), 20)
        assert [one.outcome for one in receipts] == [Outcome.CODED] * 3
        assert [one.repeated_post for one in receipts] == [False, True, False]
        works.cancel()
        await asyncio.gather(works, return_exceptions=True)


@pytest.mark.asyncio
async def test_a_removed_camera_leaves_when_all_of_its_frames_are_delivered(
    tmp_path: Path, tiny_bundle_directory: Path
) -> None:
    async with edge_parts(tmp_path, tiny_bundle_directory, cameras=["door"]) as parts:
        parts.admission.open()
        await parts.book.put(CameraPlan("hall", budget_kbps=100.0))
        waits = post(parts, 0)
        await parts.book.remove("hall")
        with pytest.raises(UnknownCamera):
            parts.admission.check("hall")
        works = asyncio.create_task(parts.pipeline.run())
        for _ in range(3):
            await parts.departures.look()
        assert parts.admission.cameras.knows("hall")
        receipt = await asyncio.wait_for(waits, 20)
        assert receipt.outcome is Outcome.CODED
        await parts.departures.look()
        assert parts.admission.cameras.knows("hall"), "the cloud does not have its frame yet"
        parts.spool.delete_acked([("hall", receipt.sequence)])
        await parts.departures.look()
        assert not parts.admission.cameras.knows("hall")
        assert b'camera="hall"' not in generate_latest(parts.metrics.registry)
        works.cancel()
        await asyncio.gather(works, return_exceptions=True)


@pytest.mark.asyncio
async def test_a_removed_camera_that_goes_on_posting_is_taken_as_one_that_nobody_named(
    tmp_path: Path, tiny_bundle_directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with edge_parts(tmp_path, tiny_bundle_directory, pinned_groups=[]) as parts:
        parts.admission.open()
        await parts.book.put(CameraPlan("hall"))
        await post(parts, 0)
        await parts.book.remove("hall")
        assert parts.departures.names == {"hall"}
        await post(parts, 1)
        assert parts.departures.names == {"hall"}, "its post may have been under way"
        monkeypatch.setattr(departures, "GRACE_SECONDS", 0.0)
        assert parts.departures.names == set()
        await parts.departures.look()
        assert [one.outcomes[Outcome.NOT_WANTED] for one in parts.admission.cameras.counts()] == [2]
