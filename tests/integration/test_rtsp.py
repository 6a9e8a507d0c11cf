"""Live sources against a real RTSP camera, GStreamer's: what each kind of camera needs, and each way of losing one."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing, asynccontextmanager
from urllib.parse import quote

import numpy as np
import pytest
import structlog.testing

from shared.contract.geometry import SourceFrame
from shared.errors import SetupRefused, SourceRefused
from shared.sources import open_source, play
from shared.sources.connection import SourcePatience
from shared.sources.live import LiveSource
from shared.sources.playing import Source
from shared.sources.reopening import Pauses, ReopenedSource
from shared.sources.state import SourceCondition, SourceState, state_of
from tests.support.rtsp import PACKAGE, RtspCamera
from tests.trials.reconnects import tried

pytestmark = [pytest.mark.starts_process, PACKAGE.needed]

PASSWORD = 'p@ss:w/rd #1% ü?"\\'
HASTY = SourcePatience(answer_seconds=5.0, packet_seconds=1.5, picture_seconds=5.0)


class ShortPauses(Pauses):
    """Pauses of a tenth of a second."""

    def next(self) -> float:
        return 0.1


@pytest.fixture(scope="module")
def plain() -> Iterator[RtspCamera]:
    """A camera with H.264 and sound that everybody may see, by both transports."""
    PACKAGE.require()
    with RtspCamera(codec="h264", media="pictures,sound") as camera:
        yield camera


@pytest.fixture(scope="module")
def guarded() -> Iterator[RtspCamera]:
    """A camera with H.265 that asks for a password, by digest, and sends by UDP alone."""
    PACKAGE.require()
    with RtspCamera(codec="h265", transport="udp", auth="digest", password=PASSWORD) as camera:
        yield camera


async def taken(source: Source, count: int) -> list[SourceFrame]:
    """The first frames of a source."""
    found: list[SourceFrame] = []
    async with asyncio.timeout(30), aclosing(play(source)) as frames:
        async for frame in frames:
            found.append(frame)
            if len(found) == count:
                break
    return found


def shapes(frames: list[SourceFrame]) -> set[tuple[int, ...]]:
    return {frame.picture.shape for frame in frames if isinstance(frame.picture, np.ndarray)}


class Watched:
    """A source that is played beside the test. shape: of its newest picture."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.shape: tuple[int, ...] = ()

    @property
    def condition(self) -> SourceCondition:
        return self.source.status.condition()

    async def play(self) -> None:
        async with aclosing(play(self.source)) as frames:
            async for frame in frames:
                assert isinstance(frame.picture, np.ndarray)
                self.shape = frame.picture.shape

    async def until(self, is_so: Callable[[SourceCondition], bool], what: str) -> SourceCondition:
        """Wait until its condition is so, and return it."""
        deadline = time.monotonic() + 20
        while not is_so(condition := self.condition):
            assert time.monotonic() < deadline, f"{what} did not come: {condition}"
            await asyncio.sleep(0.02)
        return condition

    async def until_is(self, state: SourceState) -> SourceCondition:
        return await self.until(lambda condition: condition.state is state, state)


@asynccontextmanager
async def playing(url: str, is_alone: bool = False) -> AsyncIterator[Watched]:
    """A hasty source of this camera, which is opened again whenever it breaks."""
    source = ReopenedSource(url, lambda: LiveSource(url, None, HASTY), is_alone, ShortPauses())
    watched = Watched(source)
    task = asyncio.create_task(watched.play())
    try:
        with source:
            yield watched
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.asyncio
async def test_h264_by_tcp_whole_and_of_now(plain: RtspCamera) -> None:
    with open_source(plain.url) as source, structlog.testing.capture_logs() as logs:
        frames = await taken(source, 8)
    assert shapes(frames) == {(240, 320, 3)}
    condition = source.status.condition()
    assert (condition.state, condition.damaged, condition.breaks) == (SourceState.LIVE, 0, 0)
    assert time.time() - frames[-1].capture_time_us / 1e6 < 0.5
    assert not logs


@pytest.mark.asyncio
async def test_a_camera_that_has_udp_alone_is_found_by_itself_and_the_log_says_so(guarded: RtspCamera) -> None:
    """It asks for H.265's password by digest at the same time: PASSWORD is none that a URL can hold as it is."""
    with open_source(guarded.url) as source, structlog.testing.capture_logs() as logs:
        frames = await taken(source, 3)
    assert shapes(frames) == {(240, 320, 3)}
    (said,) = logs
    assert (said["event"], said["was"], said["now"]) == ("another transport is tried", "tcp", "udp")
    assert "461" in said["reason"]
    with open_source(guarded.url.replace("rtsp:", "rtsp+udp:")) as source, structlog.testing.capture_logs() as logs:
        assert len(await taken(source, 1)) == 1
    assert not logs, "asked for by name, UDP is no surprise"


@pytest.mark.asyncio
async def test_a_transport_that_was_asked_for_by_name_is_the_only_one(guarded: RtspCamera) -> None:
    with open_source(guarded.url.replace("rtsp:", "rtsp+tcp:")) as source, pytest.raises(SetupRefused) as refused:
        await taken(source, 1)
    assert "does not send by the transport" in str(refused.value)


@pytest.mark.asyncio
async def test_a_password_may_be_written_as_it_is_where_that_is_clear() -> None:
    with RtspCamera(auth="basic", password="s/c#r?t%:") as camera:
        as_it_is = camera.url.replace(quote("s/c#r?t%:", safe=""), "s/c#r?t%:")
        assert as_it_is != camera.url
        with open_source(as_it_is) as source:
            assert len(await taken(source, 1)) == 1


@pytest.mark.asyncio
async def test_a_wrong_password_is_refused_and_said_once_and_stands_nowhere(
    guarded: RtspCamera, capfd: pytest.CaptureFixture[str]
) -> None:
    wrong = guarded.url.replace("viewer:", "viewer:Geheimwort")
    with structlog.testing.capture_logs() as logs:
        async with playing(wrong, is_alone=True) as watched:
            condition = await watched.until(lambda condition: condition.breaks == 4, "four attempts")
    assert condition.state is SourceState.REFUSED
    assert "user name and password (401)" in condition.error
    assert [one["event"] for one in logs] == ["source broke"], "four attempts in a minute are one line"
    out, err = capfd.readouterr()
    threads = [thread.name for thread in threading.enumerate()]
    assert "Geheimwort" not in f"{logs} {condition} {watched.source.name} {out} {err} {threads}"


@pytest.mark.asyncio
async def test_a_camera_that_asks_for_a_password_says_how_to_give_it(guarded: RtspCamera) -> None:
    with (
        open_source(f"rtsp://{guarded.url.rpartition('@')[2]}") as source,
        pytest.raises(SourceRefused, match=r"asks for a user name and a password .*USER:PASSWORD@HOST"),
    ):
        await taken(source, 1)


@pytest.mark.asyncio
async def test_a_path_that_there_is_not_is_refused(plain: RtspCamera) -> None:
    with (
        open_source(plain.url.replace("live", "nothing")) as source,
        pytest.raises(SourceRefused, match=r"refused.*404") as caught,
    ):
        await taken(source, 1)
    assert state_of(caught.value) is SourceState.REFUSED


@pytest.mark.asyncio
async def test_a_camera_without_pictures_says_what_it_has() -> None:
    with (
        RtspCamera(media="sound") as camera,
        open_source(camera.url) as source,
        pytest.raises(SourceRefused, match=r"gives no video.*it offers audio PCMA"),
    ):
        await taken(source, 1)


@pytest.mark.asyncio
async def test_a_stall_says_that_it_stalled_and_is_over_with_it(plain: RtspCamera) -> None:
    async with playing(plain.url) as watched:
        await watched.until_is(SourceState.LIVE)
        plain.stall()
        try:
            condition = await watched.until_is(SourceState.STALLED)
            assert "stalled: it is connected, but sent nothing for 2 s" in condition.error
        finally:
            plain.go_on()
        await watched.until_is(SourceState.LIVE)


@pytest.mark.asyncio
@pytest.mark.parametrize(("codec", "transport"), [("h264", "tcp"), ("h265", "udp")])
async def test_a_camera_that_is_killed_and_comes_back_at_another_size(codec: str, transport: str) -> None:
    with RtspCamera(codec=codec, transport=transport, size="320x240") as camera:
        async with playing(camera.url) as watched:
            await watched.until(lambda _: watched.shape == (240, 320, 3), "the first size")
            camera.kill()
            condition = await watched.until(lambda condition: "is refused" in condition.error, "a refused connection")
            assert condition.state is SourceState.GONE
            camera.start(size="640x480")
            condition = await watched.until(lambda _: watched.shape == (480, 640, 3), "the other size")
            assert condition.state is SourceState.LIVE


@pytest.mark.asyncio
@pytest.mark.parametrize(("codec", "damage"), [("h264", "0.00005"), ("h265", "0.001")])
async def test_what_is_damaged_on_its_way_is_counted_and_the_camera_goes_on(codec: str, damage: str) -> None:
    with RtspCamera(codec=codec, damage=damage, fps="30", gop="10") as camera:
        async with playing(camera.url) as watched:
            await watched.until(lambda condition: condition.damaged > 3, "damaged packets")
            frames = watched.condition.frames
            condition = await watched.until(lambda condition: condition.frames > frames + 10, "frames after damage")
            assert condition.state is SourceState.LIVE


@pytest.mark.asyncio
async def test_the_newest_frame_wins_and_the_rest_is_counted(plain: RtspCamera) -> None:
    with open_source(plain.url) as source:
        async with asyncio.timeout(20), aclosing(play(source)) as frames:
            await anext(frames)
            await asyncio.sleep(1.0)
            begun = time.time()
            late = [await anext(frames), await anext(frames)]
    assert [begun - frame.capture_time_us / 1e6 < 0.3 for frame in late] == [True, True], "no frame waited for a second"
    assert source.superseded >= 5


@pytest.mark.asyncio
async def test_stopping_is_quick_and_the_reading_thread_ends_though_the_camera_hangs(plain: RtspCamera) -> None:
    with LiveSource(plain.url, None, HASTY) as source:
        frames = play(source)
        await anext(frames)
        plain.stall()
        try:
            await asyncio.sleep(0.3)
            begun = time.monotonic()
            await frames.aclose()
            assert time.monotonic() - begun < 1.5
            threads = [thread for thread in threading.enumerate() if thread.name == f"source {source.name}"]
            for thread in threads:
                await asyncio.to_thread(thread.join, HASTY.packet_seconds + 1)
                assert not thread.is_alive(), "it waits for a packet no longer than its patience"
        finally:
            plain.go_on()


def test_reconnects_leave_nothing_behind() -> None:
    """Twenty rounds; the trial itself does hundreds (tests/trials/reconnects.py)."""
    outcome = tried(20, "mjpeg")
    assert outcome.broken == 20
    # The process of the tests grows by itself meanwhile, and twenty rounds are few.
    assert outcome.kibibytes < 1024, "a decoder that stays is more than that"
    assert (outcome.descriptors, outcome.threads) <= (0, 0)
