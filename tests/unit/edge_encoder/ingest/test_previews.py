"""A preview is made of the camera's next frame, by the view that holds then, and is waited for no longer than was said."""

from __future__ import annotations

import asyncio
import io

import numpy as np
import pytest
from PIL import Image

from edge_encoder.encoding.view import WHOLE_PICTURE, View
from edge_encoder.ingest.previews import MOST_WAITING, Previews
from shared.contract.geometry import InputSize, Picture
from shared.errors import Busy, DeadlinePassed, ImageError
from tests.support.pictures import picture

EVERYTHING = View(masks=(((-1.0, -1.0), (2.0, -1.0), (2.0, 2.0), (-1.0, 2.0)),))


def previews(view: View = WHOLE_PICTURE) -> Previews:
    return Previews(InputSize(32, 32), lambda _: view)


async def made_of(given: Previews, frame: Picture) -> Image.Image:
    waiting = asyncio.create_task(given.next_preview("hall", 5))
    await asyncio.sleep(0)
    given.offer("door", picture(9))
    given.offer("hall", frame)
    given.offer("hall", b"a later one")
    return Image.open(io.BytesIO(await waiting))


@pytest.mark.asyncio
async def test_it_is_made_of_the_cameras_next_frame_file_or_pixels() -> None:
    for frame in (picture(1), np.full((40, 60, 3), 90, np.uint8)):
        found = await made_of(previews(), frame)
        assert max(found.size) == 640
    everything = np.asarray(await made_of(previews(EVERYTHING), picture(1)))
    assert (everything == 128).all(), "nothing is seen through a mask"


@pytest.mark.asyncio
async def test_no_picture_in_time_is_said_and_leaves_nobody_waiting() -> None:
    given = previews()
    with pytest.raises(DeadlinePassed, match=r"camera hall gave no picture in 0\.01 s"):
        await given.next_preview("hall", 0.01)
    assert (await made_of(given, picture(2))).size


@pytest.mark.asyncio
async def test_a_damaged_frame_is_no_preview() -> None:
    with pytest.raises(ImageError):
        await made_of(previews(), b"no picture")


@pytest.mark.asyncio
async def test_few_wait_at_once_and_one_that_goes_leaves_its_place() -> None:
    given = previews()
    waiting = [asyncio.create_task(given.next_preview("hall", 5)) for _ in range(MOST_WAITING)]
    await asyncio.sleep(0)
    with pytest.raises(Busy):
        await given.next_preview("hall", 5)
    waiting.pop().cancel()
    await asyncio.sleep(0)
    last = asyncio.create_task(given.next_preview("hall", 5))
    await asyncio.sleep(0)
    given.offer("hall", picture(3))
    assert len({await one for one in (*waiting, last)}) == 1
